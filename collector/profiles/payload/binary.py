"""Frames with numbers at fixed positions."""

from collections.abc import Callable, Iterable
from typing import Annotated, Any, ClassVar

import msgspec

from collector.errors import FrameError
from collector.profiles.payload.numbers import Number, NumberName, Raw, bit_range, linear
from collector.profiles.payload.unit import unit_fault
from collector.profiles.table import Table
from collector.reading import Decoded

At = Annotated[int, msgspec.Meta(ge=0)]
Doubt = Callable[[Any], bool]


class BinaryField(Table, frozen=True, kw_only=True):
    """A number in the frame. Order of work: bits, sentinel, then enum or scale and offset, then range."""

    name: Annotated[str, msgspec.Meta(min_length=1)]
    at: At
    type: NumberName
    bits: tuple[int, int] | None = None
    """Half open, [lowest, end), counted from the least significant bit."""
    sentinel: int | list[int] = []
    """Raw values that mean "no value"; they become null."""
    enum: dict[str, str] | None = None
    """Raw value -> its name. A value not listed stays as its number's digits and is suspect."""
    scale: float = 1
    offset: float = 0
    unit: str | None = None
    range: tuple[float, float] | None = None
    """Plausible values, both ends included. Others stay and are listed as suspect."""

    @property
    def end(self) -> int:
        return self.at + Number.named(self.type).size

    def mistakes(self) -> Iterable[tuple[str, str]]:
        number = Number.named(self.type)
        if self.bits is not None:
            if number.kind != "u":
                yield "bits", f"only unsigned integers have bit ranges, not {self.type}"
            if not 0 <= self.bits[0] < self.bits[1] <= number.bits:
                yield (
                    "bits",
                    f"[{self.bits[0]}, {self.bits[1]}) is not within the {number.bits} of {self.type}",
                )
                return
        if number.kind == "float" and (self._sentinels() or self.enum is not None):
            yield "type", f"{self.type} has neither sentinel nor enum: NaN is null without being told"
        if (limits := self._limits()) is not None:
            for value in self._sentinels():
                if not limits[0] <= value <= limits[1]:
                    yield "sentinel", f"{value} never occurs: the values go from {limits[0]} to {limits[1]}"
        if self.enum is not None:
            for code in self.enum:
                if not code.removeprefix("-").isdecimal():
                    yield "enum", f"{code!r} is not a whole number"
            if (self.scale, self.offset, self.unit, self.range) != (1, 0, None, None):
                yield "enum", "names have no scale, offset, unit or range"
        if not 1e-12 <= abs(self.scale) <= 1e12:
            yield "scale", f"{self.scale} is not between 1e-12 and 1e12"
        if not abs(self.offset) <= 1e12:
            yield "offset", f"{self.offset} is not between -1e12 and 1e12"
        if self.unit is not None and (wrong := unit_fault(self.unit)):
            yield "unit", wrong
        if self.range is not None and not self.range[0] <= self.range[1]:
            yield "range", f"the least, {self.range[0]}, is not below the greatest, {self.range[1]}"

    def reader(self) -> Raw:
        number = Number.named(self.type)
        raw = number.at(self.at)
        if self.bits is not None:
            raw = bit_range(raw, *self.bits)
        if self.enum is not None:
            value = _named(raw, {int(code): name for code, name in self.enum.items()})
        else:
            value = linear(raw, self.scale, self.offset, self._limits())
        sentinels = frozenset(self._sentinels())
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

    def _sentinels(self) -> list[int]:
        return [self.sentinel] if isinstance(self.sentinel, int) else self.sentinel

    def _limits(self) -> tuple[int, int] | None:
        if self.bits is not None:
            return 0, 2 ** (self.bits[1] - self.bits[0]) - 1
        number = Number.named(self.type)
        return None if number.kind == "float" else number.limits()


def _named(raw: Raw, names: dict[int, str]) -> Raw:
    def read(frame: bytes) -> str:
        code: int = raw(frame)
        return names.get(code, str(code))

    return read


class BinaryDevice(Table, frozen=True, kw_only=True):
    """The bytes that tell one device from another, written as "0xA160"."""

    at: At
    length: Annotated[int, msgspec.Meta(ge=1, le=32)]


class BinaryPayload(Table, frozen=True, kw_only=True, tag="binary"):
    options: ClassVar[frozenset[str]] = frozenset()

    fields: list[BinaryField]
    device: BinaryDevice | None = None

    def mistakes(self) -> Iterable[tuple[str, str]]:
        if not self.fields:
            yield "fields", "is empty: declare at least one [[payload.fields]]"
        names = [field.name for field in self.fields]
        for name in sorted({name for name in names if names.count(name) > 1}):
            yield "fields", f"{name!r} stands more than once: every field needs its own name"

    def units_of(self, fields: dict[str, Any]) -> dict[str, str]:
        return {one.name: one.unit for one in self.fields if one.unit is not None and one.name in fields}

    def misfits(self, length: int) -> Iterable[str]:
        """What does not fit into a frame of `length` bytes."""
        for field in self.fields:
            if field.end > length:
                yield f"payload.fields {field.name!r}: ends at byte {field.end} of a frame of {length} bytes"
        if self.device is not None and self.device.at + self.device.length > length:
            yield f"payload.device: does not lie within the frame's {length} bytes"

    def reader(self) -> Callable[[bytes], list[Decoded]]:
        plan = [(field.name, field.reader(), field.doubt()) for field in self.fields]
        device = self.device
        identity = slice(device.at, device.at + device.length) if device else None
        needed = max([field.end for field in self.fields] + [identity.stop if identity else 0])

        def read(frame: bytes) -> list[Decoded]:
            if len(frame) < needed:
                raise FrameError("too short", f"{len(frame)} bytes where the fields need {needed}")
            fields: dict[str, Any] = {}
            suspect: list[str] | None = None
            for name, value_of, doubtful in plan:
                fields[name] = value = value_of(frame)
                if doubtful is not None and value is not None and doubtful(value):
                    suspect = [*(suspect or ()), name]
            device = "0x" + frame[identity].hex().upper() if identity else None
            return [Decoded(device, fields, None, suspect)]

        return read
