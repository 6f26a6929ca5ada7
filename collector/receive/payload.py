"""Readings out of MQTT messages and HTTP bodies that anybody may have sent. Pure; memory is bounded."""

import re
import zlib
from datetime import UTC, datetime, timedelta
from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta

from collector.mqtt.packets import Publish
from collector.sinks.wire import BATCH_TYPE

LARGEST_BATCH = 16 * 1024 * 1024
"""Bytes a compressed batch may unfold to; what goes beyond was not made by a collector."""

LARGEST_INTEGER = 2**63 - 1
"""In SQLite."""

UNREADABLE = (msgspec.DecodeError, zlib.error, RecursionError, ValueError)
"""What payloads of strangers raise. Before msgspec 0.21 a DecodeError is not a ValueError."""

_START = datetime(1970, 1, 1, tzinfo=UTC)
_IDENTITY = re.compile("(.+)/([0-9a-f]{16})/([1-9][0-9]{0,18})", re.DOTALL)
_Seq = Annotated[int, Meta(ge=1, le=LARGEST_INTEGER)]


# What comes from outside is checked, so these say more than the structs the sink encodes; unknown keys pass.


class _Single(msgspec.Struct, gc=False):
    id: str
    collector: str
    source: str
    device: str
    time: Annotated[datetime, Meta(tz=True)]
    clock: str
    fields: msgspec.Raw
    suspect: list[str] | None = None


class _Member(msgspec.Struct, gc=False):
    seq: _Seq
    source: str
    device: str
    time_ns: Annotated[int, Meta(ge=-LARGEST_INTEGER, le=LARGEST_INTEGER)]
    clock: str
    fields: msgspec.Raw
    suspect: list[str] | None = None


class _Batch(msgspec.Struct, gc=False):
    collector: str
    epoch: Annotated[str, Meta(pattern="^[0-9a-f]{16}$")]
    first_seq: _Seq
    last_seq: _Seq
    readings: list[_Member]


class _Status(msgspec.Struct):
    state: str


_single = msgspec.json.Decoder(_Single)
_batch = msgspec.json.Decoder(_Batch)
_status = msgspec.json.Decoder(_Status)


class Row(NamedTuple):
    """A row of the table `reading`, in the order of its columns."""

    collector: str
    epoch: str
    seq: int
    source: str
    device: str
    time: int
    clock: str
    fields: str
    suspect: str | None


class Batch(NamedTuple):
    key: str
    """collector/epoch/first-last: what an `Idempotency-Key` must say."""
    rows: list[Row]


class TooLarge(ValueError):
    """More than `LARGEST_BATCH` bytes when decompressed."""


def rows(message: Publish) -> list[Row]:
    """The readings a message holds. Raises what `UNREADABLE` lists."""
    if message.oversize:
        raise ValueError(f"{message.oversize} bytes are too large")
    # On its way over a bridge that speaks 3.1.1 a batch loses its content type; no JSON begins with zlib's `x`.
    if message.content_type == BATCH_TYPE or message.payload[:1] == b"x":
        return batch(unfold(message.payload)).rows
    reading = _single.decode(message.payload)
    identity = _IDENTITY.fullmatch(reading.id)
    if identity is None or identity[1] != reading.collector:
        raise ValueError("id is not collector/epoch/seq")
    seq, time_ns = int(identity[3]), (reading.time - _START) // timedelta(microseconds=1) * 1000
    if seq > LARGEST_INTEGER or abs(time_ns) > LARGEST_INTEGER:
        raise ValueError("seq or time beyond 64 bits")
    return [_row(reading.collector, identity[2], seq, time_ns, reading)]


def batch(body: bytes | bytearray) -> Batch:
    """The readings of a batch that is no longer compressed. Raises what `UNREADABLE` lists."""
    found = _batch.decode(body)
    rows = []
    for at, one in enumerate(found.readings):
        try:
            rows.append(_row(found.collector, found.epoch, one.seq, one.time_ns, one))
        except ValueError as error:
            raise ValueError(f"{error} - at `$.readings[{at}]`") from None
    if not rows:
        raise ValueError("a batch without readings")
    first, last = min(row.seq for row in rows), max(row.seq for row in rows)
    if (first, last) != (found.first_seq, found.last_seq):
        raise ValueError(f"the readings go from seq {first} to {last}, not from {found.first_seq} to {found.last_seq}")
    return Batch(f"{found.collector}/{found.epoch}/{first}-{last}", rows)


def _row(collector: str, epoch: str, seq: int, time_ns: int, reading: _Single | _Member) -> Row:
    fields = bytes(reading.fields).decode()
    if not fields.startswith("{"):
        raise ValueError("fields is not an object")
    suspect = None if reading.suspect is None else msgspec.json.encode(reading.suspect).decode()
    return Row(collector, epoch, seq, reading.source, reading.device, time_ns, reading.clock, fields, suspect)


def state(message: Publish) -> str | None:
    """What a collector says of itself; None for any other message. Raises like `rows`."""
    return _status.decode(message.payload).state if message.topic.endswith("/status") else None


def unfold(payload: bytes | bytearray, wbits: int = zlib.MAX_WBITS) -> bytes:
    """A batch before it was compressed; `wbits` as zlib has it. Raises TooLarge and what `UNREADABLE` lists."""
    inflater = zlib.decompressobj(wbits)
    body = inflater.decompress(payload, LARGEST_BATCH + 1)
    if len(body) > LARGEST_BATCH:
        raise TooLarge(f"more than {LARGEST_BATCH} bytes when decompressed")
    if not inflater.eof:
        raise ValueError("cut short: the compressed data has no end")
    if inflater.unused_data:
        raise ValueError("something follows the end of the compressed data")
    return body
