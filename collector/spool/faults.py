"""What SQLite's errors mean for the spool: wait, put the database aside, or end and verify."""

import errno
import os
import sqlite3
import tempfile
from pathlib import Path

from collector.errors import DiskUnavailable, SpoolDamaged, SpoolError, SpoolRefused

_DAMAGED = ("SQLITE_CORRUPT", "SQLITE_NOTADB")
_LOCKED = ("SQLITE_BUSY", "SQLITE_LOCKED")
_NO_ROOM = ("SQLITE_FULL", "SQLITE_IOERR_SHMSIZE")
UNAVAILABLE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
"""What a file system answers while it is full or read-only."""


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
    # SQLite keeps errno to itself, and each of its calls has a code of its own: the directory says what the matter is.
    refused = _refused(path.parent)
    if refused != errno.EROFS:
        for file in (path, path.with_name(f"{path.name}-wal")):
            if whose := _not_ours(file):
                return SpoolRefused(f"{file}: not ours to write, {whose}")
    if code == "SQLITE_READONLY" or refused == errno.EROFS:
        return DiskUnavailable(f"{path}: the file system is read-only ({code}); see why: dmesg, then remount it")
    if code.startswith("SQLITE_CANTOPEN") and refused == errno.ENOSPC:
        return DiskFull(f"{path}: no inodes are left on the disk ({code}); delete files on it")
    if code.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN")):
        return SpoolError(f"{said}; see that the directory exists and is ours to write")
    return SpoolError(said)


def _not_ours(file: Path) -> str:
    """Whose it is, and what to do; empty for what is not there, or ours to write."""
    try:
        owner, us = file.stat().st_uid, os.geteuid()
    except OSError:
        return ""
    if os.access(file, os.R_OK | os.W_OK, effective_ids=True):
        return ""
    return f"it belongs to user {owner} and we are {us}; chown {us} {file}"


def _refused(directory: Path) -> int:
    """Why no file can be made in `directory`, as an errno; 0 if one can.

    Asked by trying: statvfs(3) says neither that ext4 has given up (`emergency_ro`) nor, on every file system,
    how many inodes are left.
    """
    try:
        with tempfile.TemporaryFile(dir=directory):
            return 0
    except OSError as error:
        return error.errno or 0
