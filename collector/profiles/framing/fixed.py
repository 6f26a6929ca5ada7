"""Frames of a fixed length between a start and an end marker.

The end and the checksum must bear a start out. Both right: a frame. One of them wrong: a complete frame, refused
with that reason. Both wrong: no frame at all.
"""

import re
from collections.abc import Iterable
from typing import Annotated, NamedTuple

import msgspec

from collector.profiles.framing.framer import Framer, ScanningFramer
from collector.profiles.framing.kind import FramingKind, Verify
from collector.profiles.table import Hex, Table

Length = Annotated[int, msgspec.Meta(ge=1, le=4096)]


class Marked(Table, frozen=True, kw_only=True):
    """A kind of frame: `length` counts all its bytes, markers included."""

    start: Hex
    length: Length
    end: Hex = Hex()

    def mistakes(self) -> Iterable[tuple[str, str]]:
        if not self.start:
            yield "start", "is empty: without a start nothing tells where a frame begins"
        if len(self.start) + len(self.end) > self.length:
            yield "length", f"{self.length} bytes cannot hold the start and the end"


class FixedFraming(Marked, FramingKind, frozen=True, kw_only=True, tag="fixed"):
    """`ignore` lists the other kinds of frame on the same line; they carry the same checksum."""

    ignore: list[Marked] = []

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

    def framer(self, verify: Verify | None) -> Framer:
        return FixedFramer(self, verify)

    def refusal(self, frame: bytes) -> str | None:
        """For a frame that did not come through the framer."""
        if len(frame) != self.length:
            return "length"
        if not frame.startswith(self.start):
            return "start"
        return None if frame.endswith(self.end) else "end"


class _Kind(NamedTuple):
    start: bytes
    length: int
    end: bytes
    wanted: bool


class FixedFramer(ScanningFramer):
    def __init__(self, framing: FixedFraming, verify: Verify | None) -> None:
        super().__init__()
        envelopes: list[Marked] = [framing, *framing.ignore]
        self._kinds = [_Kind(bytes(one.start), one.length, bytes(one.end), one is framing) for one in envelopes]
        self._verify = verify
        # Group n finds the start of kind n; without a group it is a start cut off by the end of the data.
        whole = (b"(" + re.escape(one.start) + b")" for one in envelopes)
        cut = {one.start[:n] for one in envelopes for n in range(1, len(one.start))}
        cut_off = (re.escape(part) + rb"\Z" for part in sorted(cut, key=len, reverse=True))
        self._search = re.compile(b"|".join([*whole, *cut_off])).search

    def _find(self, data: bytes, at: int) -> tuple[int, int | None]:
        found = self._search(data, at)
        if found is None:
            return len(data), None
        return found.start(), self._kinds[found.lastindex - 1].length if found.lastindex is not None else None

    def _accept(self, frame: bytes, accepted: list[bytes]) -> bool:
        kind = next(kind for kind in self._kinds if frame.startswith(kind.start))
        ended = frame.endswith(kind.end)
        summed = self._verify is None or self._verify(frame)
        if ended and summed:
            if kind.wanted:
                accepted.append(frame)
            else:
                self.ignored += 1
        elif kind.wanted and ended:
            self.refused["checksum"] += 1
        elif kind.wanted and summed and self._verify is not None:
            self.refused["end"] += 1
        return ended and summed
