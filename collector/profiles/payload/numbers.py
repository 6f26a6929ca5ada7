"""Binary numbers as they stand in a frame, and their conversion to values: exact where decimals are."""

import math
import struct
from collections.abc import Callable
from fractions import Fraction
from typing import Any, Literal, NamedTuple

Raw = Callable[[bytes], Any]

NumberName = Literal[
    "u8", "i8",
    "u16be", "u16le", "i16be", "i16le", "u24be", "u24le", "i24be", "i24le",
    "u32be", "u32le", "i32be", "i32le", "u64be", "u64le", "i64be", "i64le",
    "float32be", "float32le", "float64be", "float64le",
]  # fmt: skip

LOWEST, HIGHEST = -(2**63), 2**64 - 1
"""The integers a reading can carry (msgpack's)."""


class Number(NamedTuple):
    """A number's type, taken apart from its name."""

    kind: Literal["u", "i", "float"]
    bits: int
    order: Literal["big", "little"]

    @classmethod
    def named(cls, name: NumberName) -> "Number":
        stem = name.removesuffix("be").removesuffix("le")
        kind: Literal["u", "i", "float"] = "float" if stem[0] == "f" else "u" if stem[0] == "u" else "i"
        return cls(kind, int(stem.removeprefix(kind)), "little" if name.endswith("le") else "big")

    @property
    def size(self) -> int:
        return self.bits // 8

    def limits(self) -> tuple[int, int]:
        """Least and greatest value of an integer type."""
        if self.kind == "u":
            return 0, 2**self.bits - 1
        return -(2 ** (self.bits - 1)), 2 ** (self.bits - 1) - 1

    def at(self, at: int) -> Raw:
        """Reads the number at byte `at`; NaN and infinity, which JSON has not, are read as None."""
        if self.kind == "float":
            return _real(self, at)
        if self.bits == 24:
            span, order, signed = slice(at, at + 3), self.order, self.kind == "i"
            return lambda frame: int.from_bytes(frame[span], order, signed=signed)
        letter = {8: "b", 16: "h", 32: "i", 64: "q"}[self.bits]
        unpack = self._struct(letter.upper() if self.kind == "u" else letter).unpack_from
        return lambda frame: unpack(frame, at)[0]

    def _struct(self, letter: str) -> struct.Struct:
        return struct.Struct((">" if self.order == "big" else "<") + letter)


def _real(number: Number, at: int) -> Raw:
    form = number._struct("f" if number.bits == 32 else "d")
    unpack, pack, single = form.unpack_from, form.pack, number.bits == 32

    def read(frame: bytes) -> float | None:
        value = _finite(unpack(frame, at)[0])
        if value is None or not single or value.is_integer():
            return value
        # The shortest decimal that is the same float32: 230.2, not 230.1999969482422.
        for digits in (6, 7, 8):
            short = float(f"{value:.{digits}g}")
            if unpack(pack(short))[0] == value:
                return short
        return value

    return read


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def bit_range(read: Raw, low: int, high: int) -> Raw:
    """Bits [low, high) of an unsigned integer, counted from the least significant."""
    mask = (1 << (high - low)) - 1
    return lambda frame: (read(frame) >> low) & mask


def linear(read: Raw, scale: float, offset: float, limits: tuple[int, int] | None) -> Raw:
    """raw * scale + offset; `limits` are those of an integer, None for floating point.

    Integers are computed as (raw * a + b) / d with whole a, b, d, which rounds only once and so gives
    the float nearest to the decimal: 1236 * 0.1 is 123.6, not 123.60000000000001.
    """
    if scale == 1 and offset == 0:
        return read
    if limits is None:
        return lambda frame: None if (raw := read(frame)) is None else _finite(raw * scale + offset)
    factor, shift = Fraction(repr(scale)), Fraction(repr(offset))
    d = math.lcm(factor.denominator, shift.denominator)
    a, b = int(factor * d), int(shift * d)
    ends = [limit * a + b for limit in limits]
    if d == 1 and min(ends) >= LOWEST and max(ends) <= HIGHEST:
        return lambda frame: read(frame) * a + b
    if a == 1 and b == 0:
        return lambda frame: read(frame) / d
    return lambda frame: (read(frame) * a + b) / d
