"""Checksums of serial frames: what is computed, over which bytes, and how it stands in the frame."""

from collections.abc import Callable, Iterable, Sequence
from typing import Literal

from collector.profiles.table import Hex, Table

Algorithm = Callable[[bytes], int]


def sum8(data: bytes) -> int:
    return sum(data) & 0xFF


def negated_sum8(data: bytes) -> int:
    """Two's complement of the sum, so that data and checksum add up to 0 (Winsen: 0xFF - sum + 1)."""
    return -sum(data) & 0xFF


def sum16(data: bytes) -> int:
    return sum(data) & 0xFFFF


def xor8(data: bytes) -> int:
    value = 0
    for byte in data:
        value ^= byte
    return value


def _crc16(polynomial: int, initial: int, final: int) -> Algorithm:
    """A reflected CRC-16; `polynomial` is written least significant bit first, as in the table method."""
    table = []
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ (polynomial if value & 1 else 0)
        table.append(value)

    def crc(data: bytes) -> int:
        value = initial
        for byte in data:
            value = (value >> 8) ^ table[(value ^ byte) & 0xFF]
        return value ^ final

    return crc


# Parameters as in the CRC RevEng catalogue: MODBUS, ARC, IBM-SDLC, KERMIT.
ALGORITHMS: dict[str, tuple[Algorithm, int]] = {
    "sum8": (sum8, 1),
    "negated-sum8": (negated_sum8, 1),
    "sum16": (sum16, 2),
    "xor8": (xor8, 1),
    "crc16-modbus": (_crc16(0xA001, 0xFFFF, 0x0000), 2),
    "crc16-arc": (_crc16(0xA001, 0x0000, 0x0000), 2),
    "crc16-x25": (_crc16(0x8408, 0xFFFF, 0xFFFF), 2),
    "crc16-kermit": (_crc16(0x8408, 0x0000, 0x0000), 2),
}
"""Name -> (algorithm, width in bytes)."""


class Checksum(Table, frozen=True, kw_only=True):
    """`over` is half open, [first, end); negative positions count from the frame's end."""

    type: Literal["sum8", "negated-sum8", "sum16", "xor8", "crc16-modbus", "crc16-arc", "crc16-x25", "crc16-kermit"]
    over: tuple[int, int]
    at: int
    byte_order: Literal["big", "little"] | None = None
    encoding: Literal["raw", "hex"] = "raw"
    """hex: two ASCII digits a byte, in either case."""
    after: Hex = Hex()
    """Positions count from behind the first of these bytes; a frame without them is refused."""
    absent: str = ""
    """A frame that ends with this text carries no checksum, and is taken without."""

    @property
    def width(self) -> int:
        """Bytes it takes in the frame."""
        return ALGORITHMS[self.type][1] * (2 if self.encoding == "hex" else 1)

    def mistakes(self) -> Iterable[tuple[str, str]]:
        if ALGORITHMS[self.type][1] == 2 and self.byte_order is None:
            yield "byte_order", f'{self.type} has two bytes: say "big" or "little"'
        if ALGORITHMS[self.type][1] == 1 and self.byte_order is not None:
            yield "byte_order", f"{self.type} has one byte and so no order: leave it out"

    def misfits(self, length: int) -> Iterable[str]:
        """What does not fit into a frame of `length` bytes."""
        first, end = (place + length if place < 0 else place for place in self.over)
        at = self.at + length if self.at < 0 else self.at
        if not 0 <= first < end <= length:
            yield f"checksum.over: [{first}, {end}) is not within the frame's {length} bytes"
        if not 0 <= at <= length - self.width:
            yield f"checksum.at: {self.width} bytes at {at} are not within the frame's {length} bytes"
        elif first < end <= length and max(at, first) < min(at + self.width, end):
            yield "checksum.over: the checksum cannot cover itself"

    def verifier(self) -> Callable[[bytes], bool]:
        """Whether a frame carries the checksum it should; a frame too short to hold one does not."""
        algorithm, size = ALGORITHMS[self.type]
        span = slice(*self.over)
        # A slice that ends with the frame is written with None: -2 + 2 would be the frame's beginning.
        place = slice(self.at, self.at + self.width if self.at + self.width else None)
        order = self.byte_order or "big"

        def raw(frame: bytes) -> bool:
            return algorithm(frame[span]).to_bytes(size, order) == frame[place]

        def text(frame: bytes) -> bool:
            return algorithm(frame[span]).to_bytes(size, order).hex().encode() == frame[place].lower()

        verify = text if self.encoding == "hex" else raw
        if not self.after and not self.absent:
            return verify
        after, absent = bytes(self.after), self.absent.encode()

        def sometimes(frame: bytes) -> bool:
            if absent and frame.endswith(absent):
                return True
            begin = frame.find(after)
            return begin >= 0 and verify(frame[begin + len(after) :])

        return sometimes


def any_of(checksums: Sequence[Checksum]) -> Callable[[bytes], bool] | None:
    """Whether a frame carries one of them; None where there are none."""
    verifiers = [checksum.verifier() for checksum in checksums]
    if len(verifiers) < 2:
        return verifiers[0] if verifiers else None
    return lambda frame: any(verify(frame) for verify in verifiers)
