"""Frames of a fixed length between a start and an end marker.

Markers also turn up inside payloads and in garbage, so a start alone proves nothing: the end and the checksum
must bear it out. Both right: a frame. One of them wrong: a complete frame, refused with that reason. Both
wrong: no frame at all. Whatever is not accepted is searched again from its second byte, so that a false start
never takes the good frame behind it along.
"""

import re
from collections.abc import Callable, Iterable
from typing import Annotated, NamedTuple

import msgspec

from collector.profiles.framing.framer import INCOMPLETE, Framer
from collector.profiles.table import Hex, Table

Length = Annotated[int, msgspec.Meta(ge=1, le=4096)]


class Envelope(Table, frozen=True, kw_only=True):
    """A kind of frame: `length` counts all its bytes, markers included."""

    start: Hex
    length: Length
    end: Hex = Hex()

    def mistakes(self) -> Iterable[tuple[str, str]]:
        if not self.start:
            yield "start", "is empty: without a start nothing tells where a frame begins"
        if len(self.start) + len(self.end) > self.length:
            yield "length", f"{self.length} bytes cannot hold the start and the end"


class FixedFraming(Envelope, frozen=True, kw_only=True, tag="fixed"):
    """`ignore` lists the other kinds of frame on the same line; they carry the same checksum."""

    ignore: list[Envelope] = []

    def mistakes(self) -> Iterable[tuple[str, str]]:
        yield from super().mistakes()
        earlier = [self.start]
        for i, other in enumerate(self.ignore):
            if any(other.start.startswith(start) or start.startswith(other.start) for start in earlier):
                yield f"ignore[{i}].start", "cannot be told apart from the start of another kind of frame"
            earlier.append(other.start)

    @property
    def frame_lengths(self) -> list[int]:
        return [self.length]

    def framer(self, verify: Callable[[bytes], bool] | None) -> Framer:
        return FixedFramer(self, verify)

    def refusal(self, frame: bytes) -> str | None:
        """For a frame that did not come through the framer."""
        if len(frame) != self.length:
            return "length"
        if not frame.startswith(self.start):
            return "start"
        return None if frame.endswith(self.end) else "end"


class _Kind(NamedTuple):
    length: int
    end: bytes
    wanted: bool


class FixedFramer(Framer):
    def __init__(self, framing: FixedFraming, verify: Callable[[bytes], bool] | None) -> None:
        super().__init__()
        envelopes: list[Envelope] = [framing, *framing.ignore]
        self._kinds = [_Kind(one.length, bytes(one.end), one is framing) for one in envelopes]
        self._verify = verify
        # Group n finds the start of kind n; without a group it is a start cut off by the end of the data.
        whole = (b"(" + re.escape(one.start) + b")" for one in envelopes)
        cut = {one.start[:n] for one in envelopes for n in range(1, len(one.start))}
        cut_off = (re.escape(part) + rb"\Z" for part in sorted(cut, key=len, reverse=True))
        self._search = re.compile(b"|".join([*whole, *cut_off])).search
        self._rest = b""
        """A start whose frame is not complete yet: shorter than the longest kind."""

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
        search, kinds, verify = self._search, self._kinds, self._verify
        at, size = 0, len(data)
        while found := search(data, at):
            begin = found.start()
            self.garbage_bytes += begin - at
            at = begin
            if found.lastindex is None:
                break
            length, end, wanted = kinds[found.lastindex - 1]
            if begin + length > size:
                break
            frame = data[begin : begin + length]
            ended = frame.endswith(end)
            summed = verify is None or verify(frame)
            if ended and summed:
                at = begin + length
                if wanted:
                    frames.append(frame)
                else:
                    self.ignored += 1
                continue
            if wanted and ended:
                self.refused["checksum"] += 1
            elif wanted and summed and verify is not None:
                self.refused["end"] += 1
            self.garbage_bytes += 1
            at = begin + 1
        else:
            self.garbage_bytes += size - at
            at = size
        self._rest = data[at:]
        return frames
