"""Room kept so that a full disk can be drained.

In WAL mode even DELETE and the checkpoint need room (measured, SQLite 3.40 on ext4 and tmpfs: both fail with
SQLITE_FULL on a full disk; `max_page_count` changes nothing about that, for it is others who fill the disk).
Giving up a ballast of one WAL and a little more is enough for any number of commits at constant size.
"""

import os
from pathlib import Path

WAL_BYTES = 4 * 1024 * 1024
"""The WAL is checkpointed at about this size and truncated to it."""

BALLAST_BYTES = WAL_BYTES + 2 * 1024 * 1024


class Ballast:
    """A file that takes room and holds nothing."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.held = False

    def room(self) -> int:
        """Bytes that anybody may still take of the disk; 0 where nobody can tell."""
        try:
            disk = os.statvfs(self._path.parent)
        except OSError:
            return 0
        return disk.f_bavail * disk.f_frsize

    def obstacle(self) -> str:
        """Why it cannot be held; empty where it is, or could be."""
        if self._path.is_dir():
            return f"{self._path} is a directory; remove it"
        room = self.room()
        if not self._sized() and room < 2 * BALLAST_BYTES:
            return f"{_mib(room)} are free, which is less than {_mib(2 * BALLAST_BYTES)}; make room on the disk"
        return ""

    def take(self) -> bool:
        """Takes the room, if that leaves as much again for others; whether it is held on return. Writes no data."""
        try:
            if not self._sized():
                if self.room() < 2 * BALLAST_BYTES:
                    return self.held
                fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
                try:
                    os.posix_fallocate(fd, 0, BALLAST_BYTES)
                finally:
                    os.close(fd)
            self.held = True
        except OSError:
            self.release()
        return self.held

    def release(self) -> bool:
        """Gives the room back; whether there was any to give."""
        had, self.held = self._sized(), False
        try:
            self._path.unlink(missing_ok=True)
        except OSError:
            return False
        return had

    def _sized(self) -> bool:
        try:
            return self._path.stat().st_size >= BALLAST_BYTES
        except OSError:
            return False


def _mib(amount: int) -> str:
    return f"{amount / 2**20:.0f} MiB"
