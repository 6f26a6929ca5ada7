"""Values one behind the other, each after a byte with its channel and one with its type (Cayenne LPP)."""

from collections.abc import Callable, Iterable
from typing import Annotated, Any

import msgspec

from collector.errors import FrameError
from collector.profiles.payload.binary import BinaryField
from collector.profiles.payload.open import OpenPayload, Stamp
from collector.profiles.payload.value import repeated
from collector.profiles.table import Table
from collector.reading import Decoded


class TlvType(Table, frozen=True, kw_only=True):
    id: Annotated[int, msgspec.Meta(ge=0, le=255)]
    fields: list[BinaryField]
    """Positions count from the first byte behind the type; where the last one ends, the next channel begins."""

    def mistakes(self) -> Iterable[tuple[str, str]]:
        if not self.fields:
            yield "fields", "is empty: a type of no length has no end"
        yield from repeated((field.name for field in self.fields), "field")

    @property
    def length(self) -> int:
        return max(field.end for field in self.fields)


class TlvPayload(OpenPayload, frozen=True, kw_only=True, tag="tlv"):
    """Field names are `ch<channel>.<name>`. A type that is not declared ends all: nobody knows its length."""

    types: list[TlvType]

    def mistakes(self) -> Iterable[tuple[str, str]]:
        yield from super().mistakes()
        ids = [one.id for one in self.types]
        for id in sorted({id for id in ids if ids.count(id) > 1}):
            yield "types", f"{id} stands more than once"

    def units_of(self, fields: dict[str, Any]) -> dict[str, str]:
        units = {field.name: field.unit for one in self.types for field in one.fields if field.unit is not None}
        return {name: units[bare] for name in fields if (bare := name.partition(".")[2]) in units}

    def reader(self) -> Callable[[bytes], list[Decoded]]:
        plans = {
            one.id: (one.length, [(field.name, field.read_from(0), field.doubt()) for field in one.fields])
            for one in self.types
        }
        stamp = Stamp(self)

        def read(payload: bytes) -> list[Decoded]:
            if not payload:
                raise FrameError("empty", "no value at all")
            fields: dict[str, Any] = {}
            suspect: list[str] = []
            at = 0
            while at < len(payload):
                channel, kind = payload[at], payload[at + 1 : at + 2]
                if not kind or kind[0] not in plans:
                    said = f"0x{kind.hex().upper()}" if kind else "that is missing"
                    raise FrameError("type", f"byte {at + 1}: a type {said}; what follows cannot be read")
                length, plan = plans[kind[0]]
                data = payload[at + 2 : at + 2 + length]
                if len(data) < length:
                    raise FrameError("too short", f"{len(data)} bytes of type 0x{kind.hex()}, which has {length}")
                for name, value_of, doubtful in plan:
                    key = f"ch{channel}.{name}"
                    fields[key] = value = value_of(data)
                    if doubtful is not None and value is not None and doubtful(value):
                        suspect.append(key)
                at += 2 + length
            return [stamp(fields, suspect=suspect)]

        return read
