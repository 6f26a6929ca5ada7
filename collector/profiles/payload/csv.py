"""Lines of values between separators.

Rules where such lines leave a choice:
- A number is a number; nothing, NaN and infinity are null; everything else is text, in a column without a unit.
- With columns declared, a line with more or fewer values is refused: half a line must not pass for a whole one.
- A line that repeats the columns' names is a header and no reading.
- There is no quoting.
"""

from collections.abc import Callable, Iterable
from typing import Annotated, Any, ClassVar, Self

import msgspec

from collector.errors import ConfigurationError, FrameError
from collector.profiles.payload import literal
from collector.profiles.payload.json import MAX_FIELDS
from collector.profiles.payload.open import OpenPayload, Stamp
from collector.profiles.payload.unit import unit_fault
from collector.profiles.table import Table
from collector.reading import Decoded

NAMED_SEPARATORS: dict[str, str | None] = {"tab": "\t", "space": None}
"""`space` is any run of white space."""


class Column(Table, frozen=True, kw_only=True):
    name: Annotated[str, msgspec.Meta(min_length=1)]
    unit: str | None = None
    """A column that has one holds numbers only."""

    def mistakes(self) -> Iterable[tuple[str, str]]:
        if self.unit is not None and (wrong := unit_fault(self.unit)):
            yield "unit", wrong


class CsvPayload(OpenPayload, frozen=True, kw_only=True, tag="csv"):
    options: ClassVar[frozenset[str]] = OpenPayload.options | {"columns", "column_units", "separator"}

    separator: Annotated[str, msgspec.Meta(min_length=1, max_length=8)] = ","
    """Between two values; `tab` and `space` go by their names."""
    columns: list[Column] = []
    """In order; without them the fields are c0, c1, ..."""

    def mistakes(self) -> Iterable[tuple[str, str]]:
        yield from super().mistakes()
        names = [column.name for column in self.columns]
        for name in sorted({name for name in names if names.count(name) > 1}):
            yield "columns", f"{name!r} stands more than once: every column needs its own name"

    def with_options(self, said: dict[str, Any]) -> Self:
        """`said` are options of `Options`. Raises ConfigurationError."""
        # Names of the source's own have the source's own units, even where a name is the same: "t" may be a time.
        declared = {} if "columns" in said else {column.name: column.unit for column in self.columns}
        names: list[str] = said.pop("columns", list(declared))
        units: dict[str, str] = said.pop("column_units", {})
        wrong = [f"column_units: {name!r} is no column" for name in units if name not in names]
        wrong += [f"column_units: {fault}" for unit in units.values() if (fault := unit_fault(unit))]
        wrong += [f"columns: {name!r} stands more than once" for name in sorted(set(names)) if names.count(name) > 1]
        if wrong:
            raise ConfigurationError(wrong)
        columns = [Column(name=name, unit=units.get(name, declared.get(name))) for name in names]
        return msgspec.structs.replace(super().with_options(said), columns=columns)

    def units_of(self, fields: dict[str, Any]) -> dict[str, str]:
        return {one.name: one.unit for one in self.columns if one.unit is not None and one.name in fields}

    def reader(self) -> Callable[[bytes], list[Decoded]]:
        separator = NAMED_SEPARATORS.get(self.separator, self.separator)
        names = [column.name for column in self.columns]
        numeric = [at for at, column in enumerate(self.columns) if column.unit is not None]
        stamp = Stamp(self)

        def read(payload: bytes) -> list[Decoded]:
            words = [word.strip() for word in literal.text(payload).split(separator)]
            if not any(words):
                raise FrameError("empty", "a line without values")
            if words == names:
                return []
            if names and len(words) != len(names):
                fault = f"{len(words)} values in a line of {len(names)} columns"
                raise FrameError("columns", f"{fault}; the source's `columns` must name each, in order")
            if len(words) > MAX_FIELDS:
                raise FrameError("too large", f"more than {MAX_FIELDS} values in a line")
            values = [literal.value(word) if word else None for word in words]
            for at in numeric:
                if isinstance(values[at], str):
                    raise FrameError("number", f"column {names[at]!r} holds no number")
            return [stamp(dict(zip(names or _numbered(len(values)), values, strict=True)))]

        return read


def _numbered(count: int) -> list[str]:
    return [f"c{at}" for at in range(count)]
