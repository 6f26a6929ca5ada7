"""Telegrams of many lines: IEC 62056-21 (D0) and what is made after it, DSMR P1.

A line that begins with `start` opens a telegram, also where the one before it never ended; one that begins with
`end` closes it. What else stands on the closing line (a CRC) belongs to the telegram, its line end does not.
"""

from collections.abc import Iterable
from typing import Annotated

import msgspec

from collector.profiles.framing.framer import INCOMPLETE, Framer
from collector.profiles.framing.kind import FramingKind, Verify

STX, ETX = b"\x02", b"\x03"


class TelegramFraming(FramingKind, frozen=True, kw_only=True, tag="telegram"):
    start: str
    end: str
    block_check: bool = False
    """A telegram that holds STX goes on behind its last line to ETX and one byte (IEC 62056-21, mode C)."""
    max_length: Annotated[int, msgspec.Meta(ge=1, le=1024 * 1024)] = 16 * 1024

    def mistakes(self) -> Iterable[tuple[str, str]]:
        for key, text in (("start", self.start), ("end", self.end)):
            if not text or "\n" in text:
                yield key, f"{text!r} begins no line: write the characters that one begins with"

    def framer(self, verify: Verify | None) -> Framer:
        return TelegramFramer(self, verify)

    def refusal(self, frame: bytes) -> str | None:
        if len(frame) > self.max_length:
            return "too long"
        return None if frame.startswith(self.start.encode()) else "start"


class TelegramFramer(Framer):
    def __init__(self, framing: TelegramFraming, verify: Verify | None) -> None:
        super().__init__()
        self._start, self._end = framing.start.encode(), framing.end.encode()
        self._block_check = framing.block_check
        self._max_length = framing.max_length
        self._verify = verify
        self._pending = bytearray()
        """A line that has not ended yet."""
        self._open: bytearray | None = None
        """A telegram that has not ended yet."""
        self._closing = False
        """Only ETX and the check byte of the open telegram are missing."""

    def feed(self, data: bytes) -> list[bytes]:
        frames: list[bytes] = []
        pending = self._pending
        pending += data
        at = 0
        while True:
            if self._closing:
                if len(pending) - at < 2:
                    break
                check = bytes(pending[at : at + 2])
                at += self._close(check, frames)
                continue
            end = pending.find(b"\n", at)
            if end < 0:
                break
            self._line(bytes(pending[at : end + 1]), frames)
            at = end + 1
        del pending[:at]
        if len(pending) + len(self._open or b"") > self._max_length + 2:
            self._give_up(len(pending))
            pending.clear()
        return frames

    def end(self) -> list[bytes]:
        """The end of the input ends a line as well."""
        frames: list[bytes] = []
        last, self._pending = bytes(self._pending), bytearray()
        if self._closing:
            self.garbage_bytes += len(last)
        elif last:
            self._line(last, frames)
        if self._open is not None:
            self.refused[INCOMPLETE] += 1
            self.garbage_bytes += len(self._open)
            self._open, self._closing = None, False
        return frames

    def _line(self, line: bytes, frames: list[bytes]) -> None:
        if self._open is None:
            begin = line.find(self._start)
            self.garbage_bytes += begin if begin >= 0 else len(line)
            self._open = bytearray(line[begin:]) if begin >= 0 else None
        elif line.startswith(self._start):
            self.garbage_bytes += len(self._open)
            self._open = bytearray(line)
        else:
            self._open += line
        if self._open is None:
            return
        if len(self._open) > self._max_length + 2:
            self._give_up(0)
        elif line.startswith(self._end):
            self._closing = self._block_check and STX in self._open
            if not self._closing:
                self._close(b"", frames)

    def _close(self, check: bytes, frames: list[bytes]) -> int:
        """`check` is what follows the last line, for telegrams that want it; says how much of it is theirs."""
        telegram, self._open, self._closing = bytes(self._open or b""), None, False
        reason = None
        if check and not check.startswith(ETX):
            check, reason = b"", "end"
        frame = telegram + check if check else telegram.rstrip(b"\r\n")
        if reason is None and self._verify is not None and not self._verify(frame):
            reason = "checksum"
        if reason is None:
            frames.append(frame)
        else:
            self.refused[reason] += 1
            self.garbage_bytes += len(telegram) + len(check)
        return len(check)

    def _give_up(self, more: int) -> None:
        """Too long, with `more` bytes that are in no line yet: what follows is garbage until a telegram starts."""
        if self._open is not None:
            self.refused["too long"] += 1
        self.garbage_bytes += len(self._open or b"") + more
        self._open = None
