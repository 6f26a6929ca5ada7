"""A segment: consecutive readings, encoded once, never changed after.

The body is the readings as JSON, as a batch sends them, with commas between: a retry sends the same bytes because
there are no others, and a journal can hold a body piece by piece.
"""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from collector.clock import Regime
from collector.reading import Reading

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(list[Reading])
_texts = msgspec.json.Decoder(list[msgspec.Raw])


def encode(readings: list[Reading]) -> bytes:
    return _encoder.encode(readings)[1:-1]


def decode(body: bytes) -> list[Reading]:
    """The readings of a body. Raises msgspec.DecodeError or ValidationError on a damaged one."""
    return _decoder.decode(b"[%b]" % body)


FINAL = Regime("final", 0, synchronised=True)
"""Instead of the regime of readings whose times no synchronisation changes any more."""


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
        regime = self.regime if self.regime.synchronised else FINAL
        return Segment(self.id, self.epoch, self.first_seq + at, 1, regime, encode([self.readings()[at]]))

    def readings(self) -> list[Reading]:
        """As sinks tell them: the correction is in their time."""
        return _decode_recent(self.body, self.correction_ns)

    @property
    def told(self) -> bytes:
        """The body as sinks tell it."""
        return self.body if self.correction_ns is None else encode(self.readings())


def join(pieces: Sequence[Segment]) -> Segment:
    """One segment of pieces that go on each where the one before ends."""
    body = b",".join([piece.body for piece in pieces])
    return msgspec.structs.replace(pieces[0], count=sum(piece.count for piece in pieces), body=body)


@functools.lru_cache(maxsize=4)
def _decode_recent(body: bytes, correction_ns: int | None) -> list[Reading]:
    """Who takes a segment apart asks for its readings one after the other."""
    readings = decode(body)
    if correction_ns is not None:
        for reading in readings:
            if reading.clock == "unsynced":
                reading.time_ns += correction_ns
                reading.clock = "corrected"
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

    def told(self) -> bytes:
        """The readings as sinks tell them: JSON with commas between."""
        told = self.segment.told
        if self.hi - self.lo == self.segment.count:
            return told
        return b",".join(map(bytes, _texts.decode(b"[%b]" % told)[self.lo : self.hi]))

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
