"""What SQLite's errors mean for the spool: wait, put the database aside, or end and verify."""

import os
import sqlite3
from pathlib import Path

from collector.errors import DiskUnavailable, SpoolDamaged, SpoolError

_DAMAGED = ("SQLITE_CORRUPT", "SQLITE_NOTADB")
_LOCKED = ("SQLITE_BUSY", "SQLITE_LOCKED")
_NO_ROOM = ("SQLITE_FULL", "SQLITE_IOERR_SHMSIZE")


class DiskFull(DiskUnavailable):
    """No room; what only frees room may still work once the ballast is gone."""


def explain(path: Path, error: sqlite3.Error) -> SpoolError:
    """One line about what SQLite said of the database at `path`, of the class that says how to go on."""
    code = getattr(error, "sqlite_errorname", "SQLITE_ERROR")
    said = f"{path}: {error} ({code})"
    if code.startswith(_DAMAGED):
        return SpoolDamaged(said)
    if code.startswith(_LOCKED):
        return DiskUnavailable(f"{path}: locked by another program; end that one (to look at it: edge-collector spool)")
    if code.startswith(_NO_ROOM):
        return DiskFull(f"{path}: the disk is full ({code}); make room on it")
    # A file system that the kernel has made read-only answers with whatever I/O error comes first.
    if code == "SQLITE_READONLY" or read_only(path.parent):
        return DiskUnavailable(f"{path}: the file system is read-only ({code}); see why: dmesg, then remount it")
    if code.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN")):
        return SpoolError(f"{said}; see that the directory exists and is ours to write")
    return SpoolError(said)


def read_only(directory: Path) -> bool:
    """Whether the file system of `directory` is mounted so; False where nobody can tell."""
    try:
        return bool(os.statvfs(directory).f_flag & os.ST_RDONLY)
    except OSError:
        return False
