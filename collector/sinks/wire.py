"""Readings as other programs see them: a JSON object each, or one for a whole batch.

A pure function of the sealed segment and its correction, so a retry sends the same bytes.
"""

from typing import Any

import msgspec

from collector.reading import Reading, rfc3339
from collector.segment import Part, Segment

BATCH_TYPE = "application/vnd.edge-collector.batch+zlib"


class WireReading(msgspec.Struct, omit_defaults=True, gc=False):
    """format = "reading"."""

    id: str
    collector: str
    source: str
    device: str
    time: str
    clock: str
    fields: dict[str, Any]
    suspect: list[str] | None = None


class BatchReading(msgspec.Struct, omit_defaults=True, gc=False):
    seq: int
    source: str
    device: str
    time_ns: int
    clock: str
    fields: dict[str, Any]
    suspect: list[str] | None = None


class Batch(msgspec.Struct):
    """format = "batch"."""

    collector: str
    epoch: str
    first_seq: int
    last_seq: int
    readings: list[BatchReading]


_encode = msgspec.json.Encoder().encode


def single(collector: str, segment: Segment, at: int, reading: Reading) -> bytes:
    """The reading at position `at` of the segment."""
    return _encode(
        WireReading(
            f"{collector}/{segment.epoch}/{segment.first_seq + at}",
            collector,
            reading.source,
            reading.device,
            rfc3339(reading.time_ns),
            _clock(segment, reading),
            reading.fields,
            reading.suspect,
        )
    )


def batch(collector: str, part: Part) -> bytes:
    """All readings of the part, not compressed yet."""
    segment, first_seq = part.segment, part.first_seq
    return _encode(
        Batch(
            collector,
            segment.epoch,
            first_seq,
            part.last_seq,
            [
                BatchReading(
                    first_seq + at,
                    reading.source,
                    reading.device,
                    reading.time_ns,
                    _clock(segment, reading),
                    reading.fields,
                    reading.suspect,
                )
                for at, reading in enumerate(part.readings())
            ],
        )
    )


def _clock(segment: Segment, reading: Reading) -> str:
    """A time the payload brought is the device's word: our own clock says nothing against it."""
    if segment.regime.synchronised or reading.own_time:
        return "synced"
    return "unsynced" if segment.correction_ns is None else "corrected"
