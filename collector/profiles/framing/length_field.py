"""Frames that say how long they are, after a start marker.

A length read behind a false start says anything. So it must be one the profile knows and the checksum must bear it
out. Both right: a frame. One of them wrong: a complete frame, refused with that reason. Both wrong: no frame at all.
"""

from collections.abc import Iterable
from typing import Annotated, Literal

import msgspec

from collector.profiles.framing.framer import Framer, ScanningFramer
from collector.profiles.framing.kind import FramingKind, Verify
from collector.profiles.payload.numbers import Number
from collector.profiles.table import Hex, Table

FrameLength = Annotated[int, msgspec.Meta(ge=1, le=65536)]


class LengthField(Table, frozen=True, kw_only=True):
    """Where the length stands; `add` is what it leaves out of the whole frame, start and checksum included."""

    at: Annotated[int, msgspec.Meta(ge=0, le=64)]
    type: Literal["u8", "u16be", "u16le"]
    add: Annotated[int, msgspec.Meta(ge=-64, le=64)] = 0

    @property
    def end(self) -> int:
        return self.at + Number.named(self.type).size


class LengthFieldFraming(FramingKind, frozen=True, kw_only=True, tag="length-field"):
    start: Hex
    length: LengthField
    max_length: FrameLength
    """Of a whole frame: a greater length is garbage. Bounds what is held between two reads."""
    lengths: list[FrameLength] = []
    """The whole frames that the payload is declared for; empty: all."""
    ignore: list[FrameLength] = []
    """Whole frames of other kinds on the same line, told apart by their length; they carry the same checksum."""

    def mistakes(self) -> Iterable[tuple[str, str]]:
        if not self.start:
            yield "start", "is empty: without a start nothing tells where a frame begins"
        if self.length.at < len(self.start):
            yield "length.at", "lies within the start"
        for key, lengths in (("lengths", self.lengths), ("ignore", self.ignore)):
            for length in lengths:
                if not self.length.end <= length <= self.max_length:
                    yield key, f"{length} is not between the length field's end, {self.length.end}, and max_length"
        for length in sorted(set(self.lengths) & set(self.ignore)):
            yield "ignore", f"{length} stands in lengths as well"

    @property
    def frame_lengths(self) -> list[int]:
        return self.lengths

    def framer(self, verify: Verify | None) -> Framer:
        return LengthFieldFramer(self, verify)

    def refusal(self, frame: bytes) -> str | None:
        """For a frame that did not come through the framer."""
        if not frame.startswith(self.start):
            return "start"
        if len(frame) < self.length.end or len(frame) > self.max_length:
            return "length"
        said: int = Number.named(self.length.type).at(self.length.at)(frame) + self.length.add
        return None if said == len(frame) and (not self.lengths or said in self.lengths) else "length"


class LengthFieldFramer(ScanningFramer):
    def __init__(self, framing: LengthFieldFraming, verify: Verify | None) -> None:
        super().__init__()
        self._start = bytes(framing.start)
        self._header = framing.length.end
        self._said = Number.named(framing.length.type).at(framing.length.at)
        self._add = framing.length.add
        self._max_length = framing.max_length
        self._lengths = frozenset(framing.lengths)
        self._ignore = frozenset(framing.ignore)
        self._verify = verify

    def _find(self, data: bytes, at: int) -> tuple[int, int | None]:
        begin = self._next_start(data, at)
        if begin + self._header > len(data):
            return begin, None
        length = self._said(data[begin : begin + self._header]) + self._add
        return begin, length if self._header <= length <= self._max_length else 0

    def _accept(self, frame: bytes, accepted: list[bytes]) -> bool:
        length = len(frame)
        known = not self._lengths or length in self._lengths
        summed = self._verify is None or self._verify(frame)
        if length in self._ignore and summed:
            self.ignored += 1
            return True
        if known and summed:
            accepted.append(frame)
        elif known:
            self.refused["checksum"] += 1
        elif summed and self._verify is not None:
            self.refused["length"] += 1
        return known and summed

    def _next_start(self, data: bytes, at: int) -> int:
        """Also one that the end of the data cuts off; without any, the end."""
        found = data.find(self._start, at)
        if found >= 0:
            return found
        for kept in range(min(len(self._start) - 1, len(data) - at), 0, -1):
            if data.endswith(self._start[:kept]):
                return len(data) - kept
        return len(data)
