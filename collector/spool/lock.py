"""One daemon to a data directory."""

import errno
import fcntl
import os
from pathlib import Path

from collector.errors import DiskUnavailable, SpoolRefused
from collector.spool.faults import UNAVAILABLE


class InUse(SpoolRefused):
    """Another process holds the lock."""


def lock(data_dir: Path) -> int:
    """Makes the directory if need be and locks it for this process; the lock goes with the descriptor returned.

    Raises InUse, SpoolRefused, or DiskUnavailable where the file system takes nothing.
    """
    path = data_dir / "lock"
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        if error.errno in UNAVAILABLE:
            remedy = "remount it" if error.errno == errno.EROFS else "make room on it"
            raise DiskUnavailable(f"{data_dir}: {error.strerror}; {remedy}") from error
        raise SpoolRefused(
            f"{data_dir}: {error.strerror}; make it a directory this user can write, or set collector.data_dir"
        ) from error
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(fd)
        raise InUse(f"{data_dir}: in use by another edge-collector; stop that one first") from error
    return fd
