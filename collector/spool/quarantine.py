"""Where damaged databases go: whole, with their WAL, for whoever wants to look; never deleted at once."""

import os
import re
import shutil
import time
from pathlib import Path

from collector.errors import DiskUnavailable, SpoolRefused
from collector.spool.faults import UNAVAILABLE

KEPT = 2
"""Databases that stay; each may be as large as `spool.max_bytes`."""

_SUFFIXES = ("-wal", "-shm", "")
"""The database itself last: once it has moved, all has."""


def new_name(data_dir: Path) -> str:
    """Of a place not used yet: a number that counts up, and the time for people."""
    numbers = [int(entry.name.split("-")[0]) for entry in _entries(data_dir)]
    return f"{max(numbers, default=0) + 1:04d}-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}"


def put_aside(database: Path, name: str) -> Path:
    """Moves the database there, unless that has been done before, and clears its old place.

    Raises DiskUnavailable where the file system takes nothing, else SpoolRefused.
    """
    place = database.parent / "quarantine" / name
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        moved = (place / database.name).exists()
        for suffix in _SUFFIXES:
            file = database.with_name(database.name + suffix)
            if moved:
                file.unlink(missing_ok=True)
            elif file.exists():
                file.rename(place / file.name)
        for directory in (place, database.parent):
            fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)
        for old in _entries(database.parent)[:-KEPT]:
            shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        if error.errno in UNAVAILABLE:
            raise DiskUnavailable(
                f"{database}: damaged, and cannot be put aside ({error.strerror}); make room on the disk, or remount it"
            ) from error
        raise SpoolRefused(
            f"{database}: damaged, and cannot be put aside ({place}: {error.strerror}); see to that, then start again"
        ) from error
    return place / database.name


def _entries(data_dir: Path) -> list[Path]:
    """The places in use, oldest first."""
    folder = data_dir / "quarantine"
    if not folder.is_dir():
        return []
    return sorted(entry for entry in folder.iterdir() if re.match(r"\d{4,}-", entry.name))
