"""The tail journal: what is in RAM, on a tmpfs, so that SIGKILL forgets nothing and flash wears not at all.

A file is a line with the format, a checkpoint of the state, then records, each written by one write(2).
No fsync: a tmpfs survives the process, not the power. Two files alternate; each is complete from its
checkpoint on.
"""

import contextlib
import errno
import os
from collections.abc import Sequence
from pathlib import Path

from collector.log import events
from collector.spool.framing import HEADER, LIMIT_BYTES, ROTATE_BYTES, framed
from collector.spool.leftover import Leftover, read_leftover
from collector.spool.place import claim
from collector.spool.records import Chunk, Held, Moved, Record, Requeue, encode_record
from collector.spool.state import State


class Replay:
    """What a journal said: the state after its last record, and every record that holds readings, in order."""

    def __init__(self, state: State, chunks: list[Chunk | Held | Requeue], whole: bool = True) -> None:
        self.state = state
        self.chunks = chunks
        self.whole = whole
        """False where damage has taken records: the books may count readings that no chunk holds."""


class Journal:
    """Appends records to the current file. Raises OSError where the file system does.

    `earlier` are directories where a run before this one has kept its journal instead.
    """

    def __init__(self, directory: Path, earlier: Sequence[Path] = ()) -> None:
        self.directory = directory
        self._paths = (directory / "tail.0", directory / "tail.1")
        self._earlier = [place / name for place in earlier for name in ("tail.0", "tail.1")]
        self._current = 1
        self._fd = -1
        self.size = 0

    def replay(self, spool_id: str | None) -> Replay | None:
        """What the last run left behind; None where there is nothing of this spool.

        Without a `spool_id`, when the database has lost it, the newest counts.
        """
        files = [file for path in (*self._paths, *self._earlier) if (file := read_leftover(path, spool_id)) is not None]
        files.sort(key=lambda file: (file.state.lsn, not _moved(file), len(file.records)))
        files = [file for file in files if file.state.spool_id == files[-1].state.spool_id]
        if not files:
            return None
        chunks: list[Chunk | Held | Requeue] = []
        reached, whole = files[0].state.lsn, True
        for state, records, complete in files:
            # Where one file ends the next begins, or records are missing.
            whole = whole and complete and reached >= state.lsn
            for record in records:
                if isinstance(record, Moved):
                    break
                state.apply(record)
                if isinstance(record, Chunk | Held | Requeue):
                    chunks.append(record)
            reached = state.lsn
        if _moved(files[-1]):
            whole = False
            events.JOURNAL_DAMAGED.log(
                "tail journal: %s: the newer of its files is missing, or no journal; what only it held is lost",
                self.directory,
            )
        return Replay(files[-1].state, chunks, whole)

    def begin(self, checkpoint: bytes, records: Sequence[Record] = ()) -> None:
        """Starts a fresh file in the place of the one that is not current; whole, or not at all."""
        claim(self.directory)
        fresh = self.directory / "tail.new"
        fresh.unlink(missing_ok=True)
        fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            head = HEADER + framed(checkpoint) + b"".join(framed(encode_record(record)) for record in records)
            _write(fd, head)
            following = 1 - self._current
            fresh.rename(self._paths[following])
        except OSError:
            os.close(fd)
            fresh.unlink(missing_ok=True)
            raise
        with contextlib.suppress(OSError):
            if self._fd >= 0:
                self.append(Moved())
        self.close()
        self._fd, self._current, self.size = fd, following, len(head)
        self._leave_earlier()

    def append(self, record: Record) -> None:
        """Survives SIGKILL on return. On OSError nothing of the record remains."""
        data = framed(encode_record(record))
        try:
            _write(self._fd, data, self.size)
        except OSError:
            os.ftruncate(self._fd, self.size)
            raise
        self.size += len(data)

    @property
    def overdue(self) -> bool:
        """The file is long enough to be replaced by the other one."""
        return self.size > ROTATE_BYTES

    @property
    def gone(self) -> bool:
        """Somebody has removed the file, or moved it: what is appended to it would not be found again."""
        if self._fd < 0:
            return False
        try:
            return not os.path.samestat(self._paths[self._current].lstat(), os.fstat(self._fd))
        except OSError:
            return True

    def retire(self) -> None:
        """The file that is not current holds nothing that is still needed. Left where it cannot be removed."""
        with contextlib.suppress(OSError):
            self._paths[1 - self._current].unlink()

    def _leave_earlier(self) -> None:
        """A run's first file holds all that is in memory, so what was elsewhere must not be taken over again."""
        for path in self._earlier:
            with contextlib.suppress(OSError):
                path.unlink()
        self._earlier.clear()

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _moved(file: Leftover) -> bool:
    """Whether there has been a newer one."""
    return bool(file.records) and isinstance(file.records[-1], Moved)


def _write(fd: int, data: bytes, size: int = 0) -> None:
    """One write(2) behind `size` bytes; a short one (the file system is full) counts as failed."""
    if size + len(data) > LIMIT_BYTES:
        raise OSError(errno.EFBIG, "the file would grow beyond what is read again")
    if os.write(fd, data) != len(data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
