"""Bare values: numbers, nothing, and words."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.errors import FrameError
from collector.profiles.payload import TextPayload
from collector.profiles.payload.unit import FieldUnit


@pytest.mark.parametrize(
    ("payload", "value"),
    [
        (b"23.1", 23.1),
        (b" 23\r\n", 23),
        (b"nan", None),
        (b"UNKNOWN", None),
        (b"ON", "ON"),
        (b"two words", "two words"),
        ("21 °C".encode(), "21 °C"),
    ],
)
def test_values(payload: bytes, value: Any) -> None:
    [reading] = TextPayload(field="v", null=["unknown"]).reader()(payload)
    assert reading.fields == {"v": value}


@pytest.mark.parametrize(
    ("payload", "reason"), [(b"", "empty"), (b" \n", "empty"), (b"\xff", "utf-8"), (b"1e999", "number")]
)
def test_refused(payload: bytes, reason: str) -> None:
    with pytest.raises(FrameError) as caught:
        TextPayload().reader()(payload)
    assert caught.value.reason == reason


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(payload: bytes) -> None:
    try:
        [reading] = TextPayload().reader()(payload)
    except FrameError:
        return
    assert list(reading.fields) == ["value"]


def test_units_go_by_the_field() -> None:
    payload = TextPayload(units=[FieldUnit(fields=["temp*"], unit="degC")])
    assert payload.units_of({"temperature": 21.5}) == {"temperature": "degC"}
    assert payload.units_of({"value": 21.5}) == {}
