"""The tail journal: what is in RAM, on a tmpfs, so that SIGKILL forgets nothing and flash wears not at all.

A file is a magic line, a checkpoint of the state, then records; each framed as length, CRC-32,
payload, and written by one write(2). No fsync: a tmpfs survives the process, not the power.
Two files alternate; each is complete from its checkpoint on. A torn last record is cut off.
"""

import os
import struct
import zlib
from pathlib import Path

import msgspec

from collector.spool.state import Chunk, Held, Record, Requeue, State, decode_record, decode_state, encode_record

MAGIC = b"edge-collector tail 1\n"
_FRAME = struct.Struct("<II")

ROTATE_BYTES = 2 * 1024 * 1024
"""A file this long is due to be replaced by the other one."""


class Replay:
    """What a journal said: the state after its last record, and every record that holds readings, in order."""

    def __init__(self, state: State, chunks: list[Chunk | Held | Requeue]) -> None:
        self.state = state
        self.chunks = chunks


class Journal:
    """Appends records to the current file. Raises OSError where the file system does."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._paths = (directory / "tail.0", directory / "tail.1")
        self._current = 1
        self._fd = -1
        self.size = 0

    def replay(self, spool_id: str) -> Replay | None:
        """What the last run left behind; None where there is nothing of this spool."""
        files = [file for path in self._paths if (file := _parse(path)) is not None]
        files = sorted((file for file in files if file[0].spool_id == spool_id), key=lambda file: file[0].lsn)
        if not files:
            return None
        chunks: list[Chunk | Held | Requeue] = []
        for state, records in files:
            for record in records:
                state.apply(record)
                if isinstance(record, Chunk | Held | Requeue):
                    chunks.append(record)
        return Replay(files[-1][0], chunks)

    def begin(self, checkpoint: bytes) -> None:
        """Starts a fresh file in the place of the one that is not current; whole, or not at all."""
        self.directory.mkdir(mode=0o700, exist_ok=True)
        fresh = self.directory / "tail.new"
        fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            head = MAGIC + _frame(checkpoint)
            _write(fd, head)
            following = 1 - self._current
            fresh.rename(self._paths[following])
        except OSError:
            os.close(fd)
            fresh.unlink(missing_ok=True)
            raise
        self.close()
        self._fd, self._current, self.size = fd, following, len(head)

    def append(self, record: Record) -> None:
        """Survives SIGKILL on return. On OSError nothing of the record remains."""
        framed = _frame(encode_record(record))
        try:
            _write(self._fd, framed)
        except OSError:
            os.ftruncate(self._fd, self.size)
            raise
        self.size += len(framed)

    @property
    def gone(self) -> bool:
        """Somebody has removed the file: what is appended to it would not be found again."""
        return self._fd >= 0 and os.fstat(self._fd).st_nlink == 0

    def retire(self) -> None:
        """The file that is not current holds nothing that is still needed."""
        self._paths[1 - self._current].unlink(missing_ok=True)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _frame(payload: bytes) -> bytes:
    return _FRAME.pack(len(payload), zlib.crc32(payload)) + payload


def _write(fd: int, data: bytes) -> None:
    """One write(2); a short one (the file system is full) counts as failed."""
    written = os.write(fd, data)
    if written != len(data):
        raise OSError(28, "no space left for the tail journal")


def _parse(path: Path) -> tuple[State, list[Record]] | None:
    """The checkpoint and the records up to the first that is torn; None for a file that is not a journal."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    if not data.startswith(MAGIC):
        return None
    payloads: list[bytes] = []
    position = len(MAGIC)
    while position + _FRAME.size <= len(data):
        length, crc = _FRAME.unpack_from(data, position)
        payload = data[position + _FRAME.size : position + _FRAME.size + length]
        if len(payload) < length or zlib.crc32(payload) != crc:
            break
        payloads.append(payload)
        position += _FRAME.size + length
    try:
        return decode_state(payloads[0]), [decode_record(payload) for payload in payloads[1:]]
    except (IndexError, msgspec.DecodeError):
        return None
