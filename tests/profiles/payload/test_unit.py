"""Units of fields that nobody declared one by one."""

from typing import Any

import pytest

from collector.profiles.payload.unit import FieldUnit, UnitChoice, units_of

CHOSEN = FieldUnit(
    fields=["*.Temperature"],
    unit="degC",
    chosen_by=UnitChoice(field="TempUnit", units={"C": "degC", "F": "degF"}),
)


@pytest.mark.parametrize(
    ("fields", "units"),
    [
        ({"A.Temperature": 1}, {"A.Temperature": "degC"}),
        ({"A.Temperature": 1, "TempUnit": "F"}, {"A.Temperature": "degF"}),
        ({"A.Temperature": 1, "TempUnit": "K"}, {}),
        ({"A.Temperature": 1, "TempUnit": None}, {}),
        ({"A.Temperature[1]": 1, "A[0].Temperature": 2.5}, {"A.Temperature[1]": "degC", "A[0].Temperature": "degC"}),
        ({"A.Temperature": None}, {"A.Temperature": "degC"}),
        ({"A.Temperature": "hot", "B.Temperature": True}, {}),
        ({"A.B.Temperature": 1, "Temperature": 1, "A.Temperatures": 1}, {}),
    ],
)
def test_a_unit_the_payload_chooses(fields: dict[str, Any], units: dict[str, str]) -> None:
    assert units_of(fields, [CHOSEN]) == units


def test_the_first_rule_that_knows_a_field_decides() -> None:
    rules = [FieldUnit(fields=["a.b", "c"], unit="V"), FieldUnit(fields=["*", "*.*"], unit="A")]
    assert units_of({"a.b": 1, "a.c": 1, "c": 1, "d": 1}, rules) == {"a.b": "V", "a.c": "A", "c": "V", "d": "A"}


def test_mistakes() -> None:
    assert [key for key, _ in FieldUnit(fields=[]).mistakes()] == ["fields", "unit"]
    choice = UnitChoice(field="u", units={"C": "°C"})
    assert [key for key, _ in FieldUnit(fields=["a"], unit="°C", chosen_by=choice).mistakes()] == ["unit", "unit"]
