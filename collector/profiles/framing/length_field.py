"""Frames that say how long they are, after a start marker.

The start turns up in payloads and in garbage as well, and a length read there says anything. So the length must be
one the profile knows and the checksum must bear it out. Both right: a frame. One of them wrong: a complete frame,
refused with that reason. Both wrong: no frame at all. Whatever is not accepted is searched again from its second
byte, so that a false start never takes the good frame behind it along.
"""

from collections.abc import Callable, Iterable
from typing import Annotated, Literal

import msgspec

from collector.profiles.framing.framer import INCOMPLETE, Framer
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


class LengthFieldFraming(Table, frozen=True, kw_only=True, tag="length-field"):
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

    def framer(self, verify: Callable[[bytes], bool] | None) -> Framer:
        return LengthFieldFramer(self, verify)

    def refusal(self, frame: bytes) -> str | None:
        """For a frame that did not come through the framer."""
        if not frame.startswith(self.start):
            return "start"
        if len(frame) < self.length.end or len(frame) > self.max_length:
            return "length"
        said: int = Number.named(self.length.type).at(self.length.at)(frame) + self.length.add
        return None if said == len(frame) and (not self.lengths or said in self.lengths) else "length"


class LengthFieldFramer(Framer):
    def __init__(self, framing: LengthFieldFraming, verify: Callable[[bytes], bool] | None) -> None:
        super().__init__()
        self._start = bytes(framing.start)
        self._header = framing.length.end
        self._said = Number.named(framing.length.type).at(framing.length.at)
        self._add = framing.length.add
        self._max_length = framing.max_length
        self._lengths = frozenset(framing.lengths)
        self._ignore = frozenset(framing.ignore)
        self._verify = verify
        self._rest = b""
        """A start whose frame is not complete yet: shorter than max_length, or than the header if that is longer."""

    def feed(self, data: bytes) -> list[bytes]:
        return self._cut(self._rest + data if self._rest else data)

    def end(self) -> list[bytes]:
        frames: list[bytes] = []
        if self._rest:
            self.refused[INCOMPLETE] += 1
        while self._rest:  # the start that waits may have been a false one, with good frames behind it
            self.garbage_bytes += 1
            frames += self._cut(self._rest[1:])
        return frames

    def _cut(self, data: bytes) -> list[bytes]:
        frames = []
        at, size = 0, len(data)
        while at < size:
            begin = self._find(data, at)
            self.garbage_bytes += begin - at
            at = begin
            if begin + self._header > size:
                break
            length = self._said(data[begin : begin + self._header]) + self._add
            if self._header <= length <= self._max_length:
                if begin + length > size:
                    break
                frame = data[begin : begin + length]
                if self._accept(frame):
                    if length not in self._ignore:
                        frames.append(frame)
                    at = begin + length
                    continue
            self.garbage_bytes += 1
            at = begin + 1
        self._rest = data[at:]
        return frames

    def _accept(self, frame: bytes) -> bool:
        length = len(frame)
        known = not self._lengths or length in self._lengths
        summed = self._verify is None or self._verify(frame)
        if length in self._ignore and summed:
            self.ignored += 1
            return True
        if known and not summed:
            self.refused["checksum"] += 1
        elif summed and not known and self._verify is not None:
            self.refused["length"] += 1
        return known and summed

    def _find(self, data: bytes, at: int) -> int:
        """Where the next start begins, also one that the end of the data cuts off."""
        found = data.find(self._start, at)
        if found >= 0:
            return found
        for kept in range(min(len(self._start) - 1, len(data) - at), 0, -1):
            if data.endswith(self._start[:kept]):
                return len(data) - kept
        return len(data)
