"""Units of payloads that do not declare their fields one by one."""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Any

import msgspec

from collector.profiles.table import Table

Pattern = Annotated[str, msgspec.Meta(min_length=1)]
_INDEX = re.compile(r"\[\d+\]")


def unit_fault(unit: str) -> str | None:
    """What is wrong with a unit's name."""
    plain = unit.isascii() and unit.isprintable() and unit.strip()
    return None if plain else f'{unit!r} is not plain ASCII such as "ug/m3", "degC" or "%RH"'


class UnitChoice(Table, frozen=True, kw_only=True):
    """The payload itself says which unit it uses: `field` holds a key of `units`."""

    field: str
    units: dict[str, str]


class FieldUnit(Table, frozen=True, kw_only=True):
    """The unit of every field that one of the patterns in `fields` matches.

    In a pattern `*` stands for any text within one part of a flattened key; the indexes of arrays are left out, so
    that "ENERGY.Power" is `ENERGY.Power[2]` as well.
    """

    fields: list[Pattern]
    unit: str | None = None
    """With `chosen_by`: the unit where the payload does not hold that field."""
    chosen_by: UnitChoice | None = None

    def mistakes(self) -> Iterable[tuple[str, str]]:
        if not self.fields:
            yield "fields", "is empty: name at least one field"
        if self.unit is None and self.chosen_by is None:
            yield "unit", "missing"
        for unit in [self.unit, *(self.chosen_by.units.values() if self.chosen_by else ())]:
            if unit is not None and (wrong := unit_fault(unit)):
                yield "unit", wrong

    def matcher(self) -> Callable[[str], bool]:
        """Whether a field, its indexes left out, is one of these."""
        patterns = (r"[^.]*".join(re.escape(piece) for piece in one.split("*")) for one in self.fields)
        match = re.compile("|".join(patterns), re.DOTALL).fullmatch
        return lambda field: match(field) is not None

    def of(self, fields: dict[str, Any]) -> str | None:
        """The unit in a reading with these fields."""
        if self.chosen_by is None or self.chosen_by.field not in fields:
            return self.unit
        chosen = fields[self.chosen_by.field]
        return self.chosen_by.units.get(chosen) if isinstance(chosen, str) else None


def units_of(fields: dict[str, Any], rules: Sequence[FieldUnit]) -> dict[str, str]:
    """Field -> unit for the numbers among `fields`; the first rule that knows a field decides."""
    compiled = [(rule, rule.matcher()) for rule in rules]
    found: dict[str, str] = {}
    for field, value in fields.items():
        if isinstance(value, str | bool):
            continue
        bare = _INDEX.sub("", field)
        unit = next((rule.of(fields) for rule, matches in compiled if matches(bare)), None)
        if unit is not None:
            found[field] = unit
    return found
