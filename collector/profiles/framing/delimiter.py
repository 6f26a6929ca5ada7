"""Frames that end with a delimiter: lines, as a rule."""

from collections.abc import Iterable
from typing import Annotated

import msgspec

from collector.profiles.framing.framer import Framer
from collector.profiles.framing.kind import FramingKind, Verify


class DelimiterFraming(FramingKind, frozen=True, kw_only=True, tag="delimiter"):
    """A frame is what stands between two delimiters; with "\\n" a "\\r" before it goes too."""

    delimiter: str = "\n"
    start: str = ""
    """What frames begin with: whatever stands before the last of it is garbage, and so is a line without it."""
    max_length: Annotated[int, msgspec.Meta(ge=1, le=16 * 1024 * 1024)] = 64 * 1024
    """Bytes without the delimiter; a longer frame is discarded."""

    def mistakes(self) -> Iterable[tuple[str, str]]:
        if not self.delimiter:
            yield "delimiter", 'is empty: write the characters that end a frame, such as "\\n"'

    def framer(self, verify: Verify | None) -> Framer:
        return DelimiterFramer(self, verify)

    def refusal(self, frame: bytes) -> str | None:
        if len(frame) > self.max_length:
            return "too long"
        return None if frame.startswith(self.start.encode()) else "start"


class DelimiterFramer(Framer):
    def __init__(self, framing: DelimiterFraming, verify: Verify | None) -> None:
        super().__init__()
        self._delimiter = framing.delimiter.encode()
        self._start = framing.start.encode()
        self._strips_cr = framing.delimiter == "\n"
        self._max_length = framing.max_length
        self._verify = verify
        self._pending = bytearray()
        """What came since the last delimiter; at most max_length and one delimiter and a CR between reads."""
        self._discarding = False
        """The beginning of the frame in `_pending` was too long and has been thrown away and counted."""

    def feed(self, data: bytes) -> list[bytes]:
        pending = self._pending
        # A delimiter of several bytes may have begun in an earlier read.
        searched = max(0, len(pending) - len(self._delimiter) + 1)
        pending += data
        if pending.find(self._delimiter, searched) < 0:
            self._bound()
            return []
        *whole, rest = bytes(pending).split(self._delimiter)
        if self._discarding:
            self.garbage_bytes += len(whole[0])
            del whole[0]
            self._discarding = False
        self._pending = bytearray(rest)
        self._bound()
        return self._accepted(whole)

    def end(self) -> list[bytes]:
        """The end of the input ends a line as well, so nothing is ever incomplete here."""
        last, self._pending = bytes(self._pending), bytearray()
        if self._discarding:
            self.garbage_bytes += len(last)
            self._discarding = False
            return []
        return self._accepted([last])

    def _accepted(self, frames: list[bytes]) -> list[bytes]:
        accepted = []
        for frame in frames:
            if self._strips_cr and frame.endswith(b"\r"):
                frame = frame[:-1]
            if not frame:
                continue
            if self._start:
                begin = frame.rfind(self._start)
                if begin < 0:  # the rest of a frame whose beginning nobody heard, or somebody else's
                    begin = len(frame)
                self.garbage_bytes += begin
                frame = frame[begin:]
                if not frame:
                    continue
            if len(frame) > self._max_length:
                reason = "too long"
            elif self._verify is not None and not self._verify(frame):
                reason = "checksum"
            else:
                accepted.append(frame)
                continue
            self.refused[reason] += 1
            self.garbage_bytes += len(frame)
        return accepted

    def _bound(self) -> None:
        pending = self._pending
        # One byte more for a CR, and the last bytes may turn out to begin a delimiter.
        if not self._discarding and len(pending) > self._max_length + len(self._delimiter):
            self._discarding = True
            self.refused["too long"] += 1
        if self._discarding:
            kept = len(self._delimiter) - 1
            self.garbage_bytes += max(0, len(pending) - kept)
            self._pending = pending[len(pending) - kept :] if kept < len(pending) else pending
