"""Blocks of text that a marker and a checksum byte of any value end (Victron VE.Direct).

A block begins where the last one ended. Only behind garbage does that not hold: then it begins at the last `start`.
"""

import re
from collections.abc import Iterable
from typing import Annotated

import msgspec

from collector.profiles.framing.framer import INCOMPLETE, Framer
from collector.profiles.framing.kind import FramingKind, Reader, Verify
from collector.profiles.table import Table


class Interleaved(Table, frozen=True, kw_only=True):
    """Messages of another kind that may come in the middle of a block and are no part of it."""

    start: str
    end: str

    def mistakes(self) -> Iterable[tuple[str, str]]:
        for key, text in (("start", self.start), ("end", self.end)):
            if not text:
                yield key, "is empty: without it nothing tells such a message from the block"


class BlockFraming(FramingKind, frozen=True, kw_only=True, tag="block"):
    end: str
    """The marker; one byte of any value follows and ends the block."""
    start: str = ""
    ignore: Interleaved | None = None
    """Their content is hexadecimal digits."""
    max_length: Annotated[int, msgspec.Meta(ge=1, le=64 * 1024)] = 4096

    def mistakes(self) -> Iterable[tuple[str, str]]:
        if not self.end:
            yield "end", "is empty: without it nothing tells where a block ends"

    def framer(self, verify: Verify | None) -> Framer:
        return BlockFramer(self, verify)

    def refusal(self, frame: bytes) -> str | None:
        if len(frame) > self.max_length:
            return "too long"
        return None if frame[:-1].endswith(self.end.encode()) else "end"

    def inside(self, read: Reader) -> Reader:
        end = -len(self.end.encode()) - 1
        return lambda frame: read(frame[:end])


class BlockFramer(Framer):
    def __init__(self, framing: BlockFraming, verify: Verify | None) -> None:
        super().__init__()
        self._end, self._start = framing.end.encode(), framing.start.encode()
        self._max_length = framing.max_length
        self._verify = verify
        self._foreign: re.Pattern[bytes] | None = None
        if (other := framing.ignore) is not None:
            digits = b"[0-9A-Fa-f]+"
            self._foreign = re.compile(re.escape(other.start.encode()) + digits + re.escape(other.end.encode()))
        self._pending = bytearray()
        self._searched = 0

    def feed(self, data: bytes) -> list[bytes]:
        frames: list[bytes] = []
        pending = self._pending
        pending += data
        while True:
            found = pending.find(self._end, self._searched)
            end = found + len(self._end) + 1
            if found < 0 or end > len(pending):
                break
            self._block(bytes(pending[:found]), bytes(pending[found:end]), frames)
            del pending[:end]
            self._searched = 0
        if found < 0:
            self._searched = max(0, len(pending) - len(self._end) + 1)
        if len(pending) > self._max_length + len(self._end):
            self.refused["too long"] += 1
            excess = len(pending) - len(self._end)
            self.garbage_bytes += excess
            del pending[:excess]
            self._searched = 0
        return frames

    def end(self) -> list[bytes]:
        rest, self._pending, self._searched = self._without_foreign(bytes(self._pending)), bytearray(), 0
        if rest.strip():
            self.refused[INCOMPLETE] += 1
            self.garbage_bytes += len(rest)
        return []

    def _block(self, text: bytes, end: bytes, frames: list[bytes]) -> None:
        frame = self._without_foreign(text) + end
        behind = frame.rfind(self._start) if self._start else -1
        for begin in (0, behind):
            if begin >= 0 and (self._verify is None or self._verify(frame[begin:])):
                self.garbage_bytes += begin
                frames.append(frame[begin:])
                return
        self.refused["checksum"] += 1
        self.garbage_bytes += len(frame)

    def _without_foreign(self, text: bytes) -> bytes:
        if self._foreign is None:
            return text
        text, count = self._foreign.subn(b"", text)
        self.ignored += count
        return text
