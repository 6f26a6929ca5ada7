"""Readings as other programs see them: a JSON object each, or one for a whole batch.

A pure function of the sealed segment and its correction, so a retry sends the same bytes.
"""

import msgspec

from collector.reading import rfc3339
from collector.segment import Part

BATCH_TYPE = "application/vnd.edge-collector.batch+zlib"


class WireReading(msgspec.Struct, omit_defaults=True, gc=False):
    """format = "reading"."""

    id: str
    collector: str
    source: str
    device: str
    time: str
    clock: str
    fields: msgspec.Raw
    suspect: list[str] | None = None


class Told(msgspec.Struct, gc=False):
    """A `Reading` as a segment tells it, its fields left as they stand there."""

    seq: int
    source: str
    device: str
    time_ns: int
    clock: str
    fields: msgspec.Raw
    suspect: list[str] | None = None


class Batch(msgspec.Struct):
    """format = "batch"."""

    collector: str
    epoch: str
    first_seq: int
    last_seq: int
    readings: msgspec.Raw


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(list[Told]).decode


def batch(collector: str, part: Part) -> bytes:
    """All readings of the part, not compressed yet."""
    readings = msgspec.Raw(b"[%b]" % part.told())
    return _encode(Batch(collector, part.segment.epoch, part.first_seq, part.last_seq, readings))


def readings(part: Part) -> list[Told]:
    return _decode(b"[%b]" % part.told())


def single(collector: str, epoch: str, reading: Told) -> bytes:
    return _encode(
        WireReading(
            f"{collector}/{epoch}/{reading.seq}",
            collector,
            reading.source,
            reading.device,
            rfc3339(reading.time_ns),
            reading.clock,
            reading.fields,
            reading.suspect,
        )
    )
