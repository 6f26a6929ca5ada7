"""A file of JSON lines that is rotated, repaired after a crash, and takes no identity twice.

Everything here blocks and is called from worker threads, one call at a time.
"""

import contextlib
import errno
import os
import re
import stat
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import msgspec

HEAD = b'{"id":"'
"""How every line begins."""
MOST_LINE = 1024 * 1024
"""Bytes without a line feed in which nobody looks for the beginning of a torn line."""
MOST_EPOCHS = 1024
"""Runs remembered: what comes again is of the last few."""
MOST_KEPT = 1000
"""The largest `keep`: files with higher numbers are not ours."""

_CHUNK = 256 * 1024
_OPENING = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC


class Line(NamedTuple):
    seq: int
    text: bytes


class _First(msgspec.Struct):
    """What the first line tells of the file's age."""

    time: datetime


class JsonLines:
    """`path` is written, `path.1` is the newest that is full, `path.<keep>` the oldest: rotation deletes what follows.

    All methods raise OSError; a failed `append` leaves nothing behind.
    """

    def __init__(
        self,
        path: Path,
        collector: str,
        *,
        max_bytes: int,
        max_age: float | None,
        keep: int,
        now: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.path = path
        self._max_bytes = max_bytes
        self._max_age = max_age
        self._keep = keep
        self._now = now
        self._wall = wall
        name = re.escape(msgspec.json.encode(collector)[1:-1])
        self._identity = re.compile(rb'^\{"id":"%b/([0-9a-f]{16})/([0-9]+)"' % name, re.M)
        self._lock = threading.Lock()
        self._fd: int | None = None
        self._size = 0
        self._since: float | None = None
        """When, by `now`, the first line came into the file."""
        self._highest: dict[str, int] | None = None
        """The last seq of each epoch in the files, as they are written in order; None until they have been read."""

    def open(self) -> None:
        """Trims a torn last line; what then stands in the file is on disk on return."""
        with self._lock:
            self._close()
            self._open()

    def append(self, epoch: str, lines: Sequence[Line]) -> None:
        """On return every line is on disk, once: those that stand there already are left out."""
        with self._lock:
            if self._fd is None or self._highest is None:
                raise OSError(errno.EBADF, "not open")
            if not self._still_there(self._fd):
                self._close()
                self._open()
            first = self._highest.get(epoch, 0) + 1
            data = b"".join(line.text for line in lines if line.seq >= first)
            if data:
                self._rotate_if_due(len(data))
                self._write(data)
                self._remember(epoch, lines[-1].seq)

    def close(self) -> None:
        with self._lock:
            self._close()

    def _open(self) -> None:
        if not self.path.parent.is_dir():
            raise OSError(errno.ENOENT, "is no directory; create it", str(self.path.parent))
        new = not self.path.exists()
        if not new and not stat.S_ISREG(self.path.stat().st_mode):
            raise OSError(errno.EINVAL, "is no regular file; name another", str(self.path))
        fd = os.open(self.path, _OPENING, 0o600)
        try:
            size = os.fstat(fd).st_size
            whole = _whole_lines(fd, size, str(self.path))
            if whole != size:
                os.ftruncate(fd, whole)
            os.fsync(fd)
            if new:
                self._sync_directory()
            if self._highest is None:
                self._highest = {}
                for file in (self._numbered(1), self.path):
                    for epoch, seq in self._identities(file):
                        self._remember(epoch, seq)
        except BaseException:
            os.close(fd)
            raise
        self._fd, self._size = fd, whole
        if self._since is None:
            self._since = self._now() - self._age(fd)

    def _age(self, fd: int) -> float:
        """Seconds since the first line, by the time in it; 0 where that cannot be.

        The file cannot be older than the last write to the one before it, so that a device whose clock stands in
        the past does not have it rotated at every start.
        """
        line, feed, _ = os.pread(fd, MOST_LINE, 0).partition(b"\n")
        try:
            began = msgspec.json.decode(line, type=_First).time.timestamp() if feed else self._wall()
        except (msgspec.DecodeError, ValueError, OverflowError):
            return 0.0
        with contextlib.suppress(FileNotFoundError):
            began = max(began, self._numbered(1).stat().st_mtime)
        return max(0.0, self._wall() - began)

    def _close(self) -> None:
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)

    def _write(self, data: bytes) -> None:
        assert self._fd is not None
        if self._size == 0:
            self._since = self._now()
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(self._fd, rest) :]
            os.fdatasync(self._fd)
        except OSError:
            # Whatever cannot be taken back now is read again at the next opening.
            highest, self._highest = self._highest, None
            os.ftruncate(self._fd, self._size)
            self._highest = highest
            raise
        self._size += len(data)

    def _rotate_if_due(self, coming: int) -> None:
        full = self._size + coming > self._max_bytes
        old = self._max_age is not None and self._since is not None and self._now() - self._since >= self._max_age
        if self._size == 0 or not (full or old):
            return
        for number in range(self._keep + 1, MOST_KEPT + 1):  # from when `keep` was larger
            self._numbered(number).unlink(missing_ok=True)
        # Only up to the first gap, which a rotation that was cut short leaves: nothing is pushed out for it.
        free = next((n for n in range(1, self._keep) if not self._numbered(n).exists()), self._keep)
        for number in range(free, 1, -1):
            self._numbered(number - 1).replace(self._numbered(number))
        self.path.replace(self._numbered(1))
        self._close()
        self._open()

    def _still_there(self, fd: int) -> bool:
        """Whether the path still names the open file: lines for a file that was moved away would be lost with it."""
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return False
        return os.path.samestat(found, os.fstat(fd))

    def _identities(self, file: Path) -> Iterator[tuple[str, int]]:
        try:
            with file.open("rb") as lines:
                rest = b""
                while chunk := lines.read(_CHUNK):
                    block, feed, rest = (rest + chunk).rpartition(b"\n")
                    last: dict[bytes, bytes] = {m[1]: m[2] for m in self._identity.finditer(block + feed)}
                    rest = rest[-MOST_LINE:]
                    for epoch, seq in last.items():
                        yield epoch.decode(), int(seq)
        except FileNotFoundError:
            return

    def _remember(self, epoch: str, seq: int) -> None:
        assert self._highest is not None
        seq = max(seq, self._highest.pop(epoch, 0))
        self._highest[epoch] = seq
        while len(self._highest) > MOST_EPOCHS:
            del self._highest[next(iter(self._highest))]

    def _numbered(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}")

    def _sync_directory(self) -> None:
        directory = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def _whole_lines(fd: int, size: int, path: str) -> int:
    """Bytes up to the end of the last whole line. A file that is not ours is refused, never trimmed."""
    size = end = _without_nuls(fd, size)
    head = os.pread(fd, min(size, len(HEAD)), 0)
    if head != HEAD[: len(head)]:
        raise OSError(errno.EINVAL, "holds something else than readings; name another file", path)
    while end > 0:
        start = max(0, end - _CHUNK)
        feed = os.pread(fd, end - start, start).rfind(b"\n")
        if feed >= 0:
            return start + feed + 1
        end = start
        if size - end > MOST_LINE:
            raise OSError(errno.EINVAL, "ends in something else than readings; name another file", path)
    return 0


def _without_nuls(fd: int, size: int) -> int:
    """Bytes ahead of the NULs at the end, which a file system leaves whose power went before the data came."""
    while size > 0:
        start = max(0, size - _CHUNK)
        rest = os.pread(fd, size - start, start).rstrip(b"\0")
        if rest:
            return start + len(rest)
        size = start
    return 0
