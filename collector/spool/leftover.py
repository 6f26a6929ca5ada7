"""A journal file that an earlier run has left: read as far as that goes, and told where it does not."""

import os
import re
import stat
import zlib
from pathlib import Path
from typing import NamedTuple, get_args

import msgspec

from collector.log import events
from collector.spool.framing import FORMAT, FRAME, LIMIT_BYTES, NAME
from collector.spool.records import Record, decode_record
from collector.spool.state import State, decode_state

KEPT = "tail.damaged"
"""The last file that could not be read whole, beside the journal."""

_HEADER = re.compile(re.escape(NAME) + rb" (\d{1,9})\n")
_TAGS = [msgspec.msgpack.encode(kind.__struct_config__.tag) for kind in get_args(Record)]
_RECORD = re.compile(rb"[\x90-\x9f](?:" + b"|".join(map(re.escape, _TAGS)) + rb")")
"""How the payload of a record begins: an array, and the name of its kind."""


class Leftover(NamedTuple):
    """The checkpoint of a file, and the records after it up to the first that cannot be read."""

    state: State
    records: list[Record]
    whole: bool
    """No record is missing, but for one at the end that the process did not live to finish."""


def read_leftover(path: Path, spool_id: str | None) -> Leftover | None:
    """None for what is not there, and for what is no journal of this spool (of any without `spool_id`).

    What is passed over is kept beside.
    """
    try:
        size, data = _read(path)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        why = f"cannot be read ({error.strerror})" if isinstance(error, OSError) else error
        events.JOURNAL_DAMAGED.log("tail journal: %s %s; passed over", path, why)
        return None
    try:
        found, end = _parse(data)
        if spool_id is not None and found.state.spool_id != spool_id:
            raise ValueError("is of another spool")
    except ValueError as error:
        events.JOURNAL_DAMAGED.log("tail journal: %s %s; passed over%s", path, error, _keep(path))
        return None
    if end == size or (size == len(data) and _torn(data, end)):
        return found
    events.JOURNAL_DAMAGED.log(
        "tail journal: %s cannot be read from byte %d on: %d bytes are lost, what stands before them is taken%s",
        *(path, end, size - end, _keep(path)),
    )
    return found._replace(whole=False)


def _read(path: Path) -> tuple[int, bytes]:
    """The file's length, and of it what a journal can hold at most. Raises ValueError for what is not our file."""
    if not stat.S_ISREG(path.lstat().st_mode):
        raise ValueError("is no regular file")
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(fd, "rb") as file:
        found = os.fstat(fd)
        if found.st_uid != os.getuid():
            raise ValueError(f"belongs to user {found.st_uid}")
        return found.st_size, file.read(LIMIT_BYTES)


def _parse(data: bytes) -> tuple[Leftover, int]:
    """What can be read, and where it ends. Raises ValueError for anything that is no journal of our format."""
    header = _HEADER.match(data)
    if header is None:
        raise ValueError("is no tail journal" if data else "is empty")
    if int(header[1]) != FORMAT:
        raise ValueError(f"has format {int(header[1])}, and this version reads {FORMAT}")
    checkpoint = _payload(data, header.end())
    try:
        state = decode_state(checkpoint or b"")
    except msgspec.DecodeError:
        raise ValueError("begins with a checkpoint that cannot be read") from None
    records: list[Record] = []
    at = header.end() + FRAME.size + len(checkpoint or b"")
    while (payload := _payload(data, at)) is not None:
        try:
            records.append(decode_record(payload))
        except msgspec.DecodeError:
            break
        at += FRAME.size + len(payload)
    return Leftover(state, records, whole=True), at


def _payload(data: bytes, at: int) -> bytes | None:
    """Of the frame that begins there, if it is whole."""
    if at + FRAME.size > len(data):
        return None
    length, crc = FRAME.unpack_from(data, at)
    payload = data[at + FRAME.size : at + FRAME.size + length]
    return payload if len(payload) == length and zlib.crc32(payload) == crc else None


def _torn(data: bytes, at: int) -> bool:
    """Whether the record there is one that SIGKILL cut short: it reaches beyond the end, and nothing follows."""
    if at + FRAME.size <= len(data) and at + FRAME.size + FRAME.unpack_from(data, at)[0] <= len(data):
        return False
    later = (found.start() - FRAME.size for found in _RECORD.finditer(data, at + FRAME.size + 1))
    return not any(_payload(data, start) for start in later)


def _keep(path: Path) -> str:
    """By a link, which costs nothing: the file stays where the next start finds it, should this one not get far."""
    kept = path.with_name(KEPT)
    try:
        kept.unlink(missing_ok=True)
        os.link(path, kept, follow_symlinks=False)
    except OSError as error:
        return f"; it could not be kept ({error.strerror})"
    return f"; kept as {kept}"
