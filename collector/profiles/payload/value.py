"""What a raw value means, the same for every kind of payload: null, a name, a number with its unit, a doubt."""

from collections.abc import Callable, Iterable
from typing import Annotated, Any

import msgspec

from collector.profiles.payload.numbers import linear
from collector.profiles.payload.unit import unit_fault
from collector.profiles.table import Table

Convert = Callable[[Any], Any]
Doubt = Callable[[Any], bool]


class Value(Table, frozen=True, kw_only=True):
    """Order of work: sentinel, then enum, flags or scale and offset, then range."""

    name: Annotated[str, msgspec.Meta(min_length=1)]
    sentinel: int | list[int] = []
    """Raw values that mean "no value"; they become null."""
    enum: dict[str, str] | None = None
    """Raw value -> its name. A value not listed stays as its number's digits and is suspect."""
    flags: dict[str, str] | None = None
    """Bit, counted from the least significant -> its name. The value is the list of the names whose bit is set."""
    scale: float = 1
    offset: float = 0
    unit: str | None = None
    range: tuple[float, float] | None = None
    """Plausible values, both ends included. Others stay and are listed as suspect."""

    def mistakes(self) -> Iterable[tuple[str, str]]:
        for key, codes in (("enum", self.enum), ("flags", self.flags)):
            if codes is None:
                continue
            for code in codes:
                if not code.removeprefix("-" if key == "enum" else "").isdecimal():
                    yield key, f"{code!r} is not a whole number"
            if (self.scale, self.offset, self.unit, self.range) != (1, 0, None, None):
                yield key, "names have no scale, offset, unit or range"
        if self.enum is not None and self.flags is not None:
            yield "flags", "a value has either an enum or flags"
        if not 1e-12 <= abs(self.scale) <= 1e12:
            yield "scale", f"{self.scale} is not between 1e-12 and 1e12"
        if not abs(self.offset) <= 1e12:
            yield "offset", f"{self.offset} is not between -1e12 and 1e12"
        if self.unit is not None and (wrong := unit_fault(self.unit)):
            yield "unit", wrong
        if self.range is not None and not self.range[0] <= self.range[1]:
            yield "range", f"the least, {self.range[0]}, is not below the greatest, {self.range[1]}"

    @property
    def sentinels(self) -> frozenset[int]:
        return frozenset([self.sentinel] if isinstance(self.sentinel, int) else self.sentinel)

    @property
    def plain(self) -> bool:
        """The raw value is the value."""
        return (self.sentinels, self.enum, self.flags, self.scale, self.offset) == (frozenset(), None, None, 1, 0)

    def reader(self, raw: Convert, limits: tuple[int, int] | None, counted: Convert | None = None) -> Convert:
        """Reads the value where `raw` reads the number; `limits` are those of an integer, None for floating point.

        `counted` reads what a value is made of where that is more than the number that says whether there is one.
        """
        if self.enum is not None:
            value = _named(raw, {int(code): name for code, name in self.enum.items()})
        elif self.flags is not None:
            value = _flagged(raw, {int(bit): name for bit, name in self.flags.items()})
        else:
            value = linear(counted or raw, self.scale, self.offset, limits)
        sentinels = self.sentinels
        return (lambda frame: None if raw(frame) in sentinels else value(frame)) if sentinels else value

    def doubt(self) -> Doubt | None:
        """Whether a value read is implausible; None where nothing is."""
        if self.enum is not None:
            names = frozenset(self.enum.values())
            return lambda value: value not in names
        if self.range is not None:
            low, high = self.range
            return lambda value: not low <= value <= high
        return None


def repeated(names: Iterable[str], what: str) -> Iterable[tuple[str, str]]:
    """A mistake of the key `fields` for each name that stands more than once."""
    seen = list(names)
    for name in sorted({name for name in seen if seen.count(name) > 1}):
        yield "fields", f"{name!r} stands more than once: every {what} needs its own name"


def _named(raw: Convert, names: dict[int, str]) -> Convert:
    def read(frame: Any) -> str:
        code: int = raw(frame)
        return names.get(code, str(code))

    return read


def _flagged(raw: Convert, names: dict[int, str]) -> Convert:
    def read(frame: Any) -> list[str]:
        bits: int = raw(frame)
        return [name for bit, name in names.items() if bits >> bit & 1]

    return read
