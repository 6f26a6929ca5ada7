"""Frames with numbers and texts at fixed positions."""

import typing
from collections.abc import Callable, Iterable
from typing import Annotated, Any, ClassVar, Literal

import msgspec

from collector.errors import FrameError
from collector.profiles.payload.numbers import HIGHEST, Number, NumberName, Raw, bit_range
from collector.profiles.payload.rollover import counted
from collector.profiles.payload.value import Doubt, Value, repeated
from collector.profiles.table import Table
from collector.reading import Decoded

At = Annotated[int, msgspec.Meta(ge=0)]
Length = Annotated[int, msgspec.Meta(ge=1, le=256)]
TextName = Literal["ascii", "hex", "mac", "bcd"]
TypeName = Literal[NumberName, TextName]
TEXTS = typing.get_args(TextName)


Identity = Callable[[bytes], str | None]
"""Tells a frame's device."""


def nobody(frame: bytes) -> None:
    return None


class BinaryField(Value, frozen=True, kw_only=True):
    """A number in the frame, or a text of `length` bytes."""

    at: At
    type: TypeName
    bits: tuple[int, int] | None = None
    """Half open, [lowest, end), counted from the least significant bit."""
    count: Annotated[int, msgspec.Meta(ge=2, le=64)] | None = None
    """So many numbers one behind the other are one value, a list; null where all of them are."""
    rollover: bool = False
    """A counter that begins anew beyond its type's greatest value; the field counts on."""
    length: Length | None = None
    """Bytes of a text: `ascii` (ends at a NUL, white space trimmed), `hex`, `mac`; of `bcd`, which is a number."""

    @property
    def end(self) -> int:
        return self.at + (self.length or 0 if self.type in TEXTS else self._number.size * (self.count or 1))

    @property
    def _number(self) -> Number:
        return Number.named(self.type)  # type: ignore[arg-type]

    def mistakes(self) -> Iterable[tuple[str, str]]:
        yield from super().mistakes()
        if self.type in TEXTS:
            yield from self._text_mistakes()
            return
        number = self._number
        if self.length is not None:
            yield "length", f"{self.type} has one of its own"
        if self.rollover and (number.kind != "u" or self.count is not None or self.enum or self.flags):
            yield "rollover", "only a single unsigned integer counts, and has neither enum nor flags"
        if self.bits is not None:
            if number.kind != "u":
                yield "bits", f"only unsigned integers have bit ranges, not {self.type}"
            if not 0 <= self.bits[0] < self.bits[1] <= number.bits:
                yield (
                    "bits",
                    f"[{self.bits[0]}, {self.bits[1]}) is not within the {number.bits} of {self.type}",
                )
                return
        if number.kind == "float" and (self.sentinels or self.enum is not None or self.flags is not None):
            yield "type", f"{self.type} has neither sentinel nor enum: NaN is null without being told"
        if (limits := self._limits()) is not None:
            for value in sorted(self.sentinels):
                if not limits[0] <= value <= limits[1]:
                    yield "sentinel", f"{value} never occurs: the values go from {limits[0]} to {limits[1]}"

    def _text_mistakes(self) -> Iterable[tuple[str, str]]:
        if self.length is None:
            yield "length", f"missing: {self.type} has as many bytes as it is told"
        if self.rollover:
            yield "rollover", f"{self.type} does not count"
        if self.bits is not None or self.count is not None:
            yield "bits" if self.bits is not None else "count", f"{self.type} is no binary number"
        if self.type != "bcd" and (not self.plain or self.range is not None or self.unit is not None):
            yield "type", f"{self.type} is text: leave out everything that is said of numbers"

    def read_from(self, at: int, device: Identity = nobody) -> Raw:
        """Reads the value of a frame whose data begin at byte `at`; `device` tells whose they are."""
        place = at + self.at
        if self.type in TEXTS:
            return _text(self, slice(place, place + (self.length or 0)))
        number = self._number
        if self.count is not None:
            return _several(
                [self.reader(number.at(place + i * number.size), self._limits()) for i in range(self.count)]
            )
        raw = number.at(place)
        if self.bits is not None:
            raw = bit_range(raw, *self.bits)
        limits = self._limits()
        if self.rollover and limits is not None:
            return self.reader(raw, (0, HIGHEST), counted(raw, limits[1] + 1, device))
        return self.reader(raw, limits)

    def _limits(self) -> tuple[int, int] | None:
        if self.bits is not None:
            return 0, 2 ** (self.bits[1] - self.bits[0]) - 1
        number = self._number
        return None if number.kind == "float" else number.limits()

    def doubt(self) -> Doubt | None:
        one = super().doubt()
        if one is None or self.count is None:
            return one
        return lambda values: any(value is not None and one(value) for value in values)


def _several(readers: list[Raw]) -> Raw:
    def read(frame: bytes) -> list[Any] | None:
        values = [one(frame) for one in readers]
        return None if all(value is None for value in values) else values

    return read


def _text(field: BinaryField, span: slice) -> Raw:
    match field.type:
        case "ascii":
            return lambda frame: frame[span].partition(b"\0")[0].decode("ascii", "replace").strip()
        case "hex":
            return lambda frame: frame[span].hex()
        case "mac":
            return lambda frame: None if set(frame[span]) == {0xFF} else frame[span].hex(":").upper()
        case _:
            limit = 10 ** (2 * (field.length or 0)) - 1
            return field.reader(lambda frame: _bcd(frame[span]), (0, limit))


def _bcd(digits: bytes) -> int:
    text = digits.hex()
    if not text.isdecimal():
        raise FrameError("bcd", f"{text} has digits beyond 9")
    return int(text)


class BinaryDevice(Table, frozen=True, kw_only=True):
    """The bytes that tell one device from another, written as "0xA160" or as a MAC address."""

    at: At
    length: Annotated[int, msgspec.Meta(ge=1, le=32)]
    type: Literal["hex", "mac"] = "hex"

    def reader(self) -> Identity:
        span = slice(self.at, self.at + self.length)
        if self.type == "mac":
            return lambda frame: None if set(frame[span]) == {0xFF} else frame[span].hex(":").upper()
        return lambda frame: "0x" + frame[span].hex().upper()


class BinaryPayload(Table, frozen=True, kw_only=True, tag="binary"):
    options: ClassVar[frozenset[str]] = frozenset()

    fields: list[BinaryField]
    device: BinaryDevice | None = None

    def mistakes(self) -> Iterable[tuple[str, str]]:
        if not self.fields:
            yield "fields", "is empty: declare at least one [[payload.fields]]"
        yield from repeated((field.name for field in self.fields), "field")

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
        identity = self.device.reader() if self.device else None
        plan = [(field.name, field.read_from(0, identity or nobody), field.doubt()) for field in self.fields]
        device_end = self.device.at + self.device.length if self.device else 0
        needed = max([field.end for field in self.fields] + [device_end])

        def read(frame: bytes) -> list[Decoded]:
            if len(frame) < needed:
                raise FrameError("too short", f"{len(frame)} bytes where the fields need {needed}")
            fields: dict[str, Any] = {}
            suspect: list[str] | None = None
            for name, value_of, doubtful in plan:
                fields[name] = value = value_of(frame)
                if doubtful is not None and value is not None and doubtful(value):
                    suspect = [*(suspect or ()), name]
            return [Decoded(identity(frame) if identity else None, fields, None, suspect)]

        return read
