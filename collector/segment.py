"""A segment: consecutive readings, encoded once, never changed after.

The body is the readings' msgpack encodings back to back, so segments grow by appending and a
journal can hold them piece by piece; `decode` puts the array header back in front.
"""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from collector.clock import Regime
from collector.reading import Reading

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[Reading])


def encode(readings: list[Reading]) -> bytes:
    """The readings' encodings without the array header (msgpack: fixarray, array 16, array 32)."""
    encoded = _encoder.encode(readings)
    count = len(readings)
    return encoded[1 if count < 16 else 3 if count < 65536 else 5 :]


def decode(body: bytes, count: int) -> list[Reading]:
    """The readings of a body. Raises msgspec.DecodeError or ValidationError on a damaged one."""
    return _decoder.decode(b"\xdd" + count.to_bytes(4, "big") + body)


REDATED, UNDATED = Regime("redated", 0, False), Regime("undated", 0, False)
"""Instead of the regime of readings whose times are final: with a correction in them, and without any."""


class Segment(msgspec.Struct, frozen=True):
    """Sealed readings. `id` orders segments within this spool; identities are collector/epoch/seq."""

    id: int
    epoch: str
    """16 lower-case hex digits, random for each run of the process."""
    first_seq: int
    count: int
    regime: Regime
    body: bytes
    correction_ns: int | None = None
    """What the first synchronisation of the boot adds to times by our own clock; None where it has no say."""

    @property
    def last_seq(self) -> int:
        return self.first_seq + self.count - 1

    def only(self, at: int) -> "Segment":
        """The reading at position `at` as a segment of its own under its identity, its time final."""
        regime = self.regime
        if not regime.synchronised:
            regime = UNDATED if self.correction_ns is None else REDATED
        body = encode([self.readings()[at]])
        return Segment(self.id, self.epoch, self.first_seq + at, 1, regime, body)

    def readings(self) -> list[Reading]:
        """As sinks tell them: the correction is in their time."""
        return _decode_recent(self.body, self.count, self.correction_ns or 0)


def join(pieces: Sequence[Segment]) -> Segment:
    """One segment of pieces that go on each where the one before ends."""
    body = b"".join(piece.body for piece in pieces)
    return msgspec.structs.replace(pieces[0], count=sum(piece.count for piece in pieces), body=body)


@functools.lru_cache(maxsize=4)
def _decode_recent(body: bytes, count: int, correction_ns: int) -> list[Reading]:
    """Two sinks, or the halves of a split, ask for the same segment one after the other."""
    readings = decode(body, count)
    if correction_ns:
        return [
            reading if reading.own_time else replace(reading, time_ns=reading.time_ns + correction_ns)
            for reading in readings
        ]
    return readings


class Part(NamedTuple):
    """What one delivery carries: positions `lo` up to `hi` (exclusive) of a segment; mostly all of it."""

    segment: Segment
    lo: int
    hi: int

    @property
    def first_seq(self) -> int:
        return self.segment.first_seq + self.lo

    @property
    def last_seq(self) -> int:
        return self.segment.first_seq + self.hi - 1

    def readings(self) -> list[Reading]:
        return self.segment.readings()[self.lo : self.hi]

    def halves(self) -> tuple["Part", "Part"]:
        """Always the same halves, so that a retry repeats the very same bytes and key."""
        middle = (self.lo + self.hi) // 2
        return Part(self.segment, self.lo, middle), Part(self.segment, middle, self.hi)

    def within_halves(self) -> list["Part"]:
        """The fewest parts that halving the whole segment yields and that make up this one."""
        pieces: list[Part] = []
        undivided = [Part(self.segment, 0, self.segment.count)]
        while undivided:
            piece = undivided.pop()
            if self.lo <= piece.lo and piece.hi <= self.hi:
                pieces.append(piece)
            elif piece.lo < self.hi and self.lo < piece.hi:
                undivided += reversed(piece.halves())
        return pieces
