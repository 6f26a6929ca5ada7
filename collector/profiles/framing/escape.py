"""Frames between escape sequences, in which data that look like one are escaped: SML transport, version 1.

1B1B1B1B 01010101, data, 1B1B1B1B 1A, one byte with the number of fill bytes, two bytes of CRC. 1B1B1B1B in the data
is sent twice. A frame is a multiple of four bytes, and its sequences stand at such places. (BSI TR-03109-1, annex IV)
"""

from typing import Annotated

import msgspec

from collector.profiles.framing.framer import Framer, ScanningFramer
from collector.profiles.framing.kind import FramingKind, Reader, Verify

ESCAPE = b"\x1b" * 4
START = ESCAPE + b"\x01" * 4
END = 0x1A


class EscapeFraming(FramingKind, frozen=True, kw_only=True, tag="sml-transport"):
    max_length: Annotated[int, msgspec.Meta(ge=16, le=64 * 1024)] = 8192

    def framer(self, verify: Verify | None) -> Framer:
        return EscapeFramer(self, verify)

    def refusal(self, frame: bytes) -> str | None:
        if not frame.startswith(START):
            return "start"
        return None if len(frame) >= 16 and frame[-8:-3] == ESCAPE + bytes([END]) else "end"

    def inside(self, read: Reader) -> Reader:
        """The data, unescaped and without fill bytes."""
        return lambda frame: read(frame[8 : -8 - min(frame[-3], 3)].replace(ESCAPE + ESCAPE, ESCAPE))


class EscapeFramer(ScanningFramer):
    def __init__(self, framing: EscapeFraming, verify: Verify | None) -> None:
        super().__init__()
        self._max_length = framing.max_length
        self._verify = verify

    def _find(self, data: bytes, at: int) -> tuple[int, int | None]:
        begin = data.find(START, at)
        if begin < 0:
            kept = next((n for n in range(len(START) - 1, 0, -1) if data.endswith(START[:n], at)), 0)
            return len(data) - kept, None
        escape = data.find(ESCAPE, begin + 8)
        while escape >= 0 and escape + 8 <= len(data) and escape - begin <= self._max_length:
            following = data[escape + 4 : escape + 8]
            if following == START[4:]:  # the frame before has lost its end
                begin, step = escape, 8
            elif (escape - begin) % 4 == 0 and following[0] == END:
                return begin, escape + 8 - begin
            else:
                step = 8 if following == ESCAPE else 1
            escape = data.find(ESCAPE, escape + step)
        return begin, 0 if len(data) - begin > self._max_length else None

    def _accept(self, frame: bytes, accepted: list[bytes]) -> bool:
        if self._verify is None or self._verify(frame):
            accepted.append(frame)
            return True
        self.refused["checksum"] += 1
        return False
