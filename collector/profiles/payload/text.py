"""A message that is one bare value; which one it is stands in the topic."""

from collections.abc import Callable
from typing import Annotated, Any, ClassVar

import msgspec

from collector.errors import FrameError
from collector.profiles.payload import literal
from collector.profiles.payload.unit import FieldUnit, units_of
from collector.profiles.table import Table
from collector.reading import Decoded


class TextPayload(Table, frozen=True, kw_only=True, tag="text"):
    """A number is a number, NaN and infinity are null, everything else is text."""

    options: ClassVar[frozenset[str]] = frozenset()

    field: Annotated[str, msgspec.Meta(min_length=1)] = "value"
    """What the value is called where the topic's rule does not say."""
    null: list[str] = []
    """Words that mean "no value", in any case of letters."""
    units: list[FieldUnit] = []

    def misfits(self, length: int) -> tuple[str, ...]:
        return (f"payload.type: text has no fixed length, but a frame of {length} bytes is declared",)

    def units_of(self, fields: dict[str, Any]) -> dict[str, str]:
        return units_of(fields, self.units)

    def reader(self) -> Callable[[bytes], list[Decoded]]:
        field, null = self.field, {word.lower() for word in self.null}

        def read(payload: bytes) -> list[Decoded]:
            word = literal.text(payload).strip()
            if not word:
                raise FrameError("empty", "no value at all")
            return [Decoded(None, {field: None if word.lower() in null else literal.value(word)})]

        return read
