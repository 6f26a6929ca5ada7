"""Lines of values: what is a number, what is nothing, and what is no such line."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.errors import ConfigurationError, FrameError
from collector.profiles import builtin_folder, load
from collector.profiles.options import Options
from collector.profiles.payload.csv import Column, CsvPayload

LINES = load("csv-lines", [builtin_folder()])


def fields(text: str, **keys: Any) -> dict[str, Any]:
    [reading] = CsvPayload(**keys).reader()(text.encode())
    return reading.fields


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("7", 7),
        ("+7", 7),
        ("-007", -7),
        ("7.", 7.0),
        (".5", 0.5),
        ("-1.5E-3", -0.0015),
        ("18446744073709551615", 2**64 - 1),
        ("18446744073709551616", float(2**64)),
        ("9" * 300, float("9" * 300)),
        ("", None),
        ("NaN", None),
        ("-inf", None),
        ("Infinity", None),
        ("1_000", "1_000"),
        ("0x1F", "0x1F"),
        ("٣", "٣"),
        ("--5", "--5"),
        ("on", "on"),
    ],
)
def test_values(word: str, value: Any) -> None:
    got = fields(f"{word},x")["c0"]
    assert got == value
    assert type(got) is type(value)


def test_separators() -> None:
    assert fields("1; 2,5 ;x", separator=";") == {"c0": 1, "c1": "2,5", "c2": "x"}
    assert fields(" 1 \t 2  3", separator="space") == {"c0": 1, "c1": 2, "c2": 3}
    assert fields("1\t\t3", separator="tab") == {"c0": 1, "c1": None, "c2": 3}
    assert fields("1::2", separator="::") == {"c0": 1, "c1": 2}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"1,2", "columns"),
        (b"1,2,3,4", "columns"),
        (b"1,x,3", "number"),
        (b"1,1e999,3", "number"),
        (b",,", "empty"),
        (b"\xff,2,3", "utf-8"),
    ],
)
def test_refused(line: bytes, reason: str) -> None:
    with pytest.raises(FrameError) as caught:
        LINES.decode(line)
    assert caught.value.reason == reason


def test_more_columns_than_a_reading_holds() -> None:
    with pytest.raises(FrameError, match="too large"):
        CsvPayload().reader()(b"1," * 5000)


@given(st.binary(max_size=80), st.sampled_from([",", "space", "tab", ";;"]), st.booleans())
def test_any_bytes_are_read_or_refused(line: bytes, separator: str, named: bool) -> None:
    columns = [Column(name="a", unit="V"), Column(name="b")] if named else []
    try:
        readings = CsvPayload(separator=separator, columns=columns).reader()(line)
    except FrameError:
        return
    assert len(readings) <= 1
    for reading in readings:
        assert not named or list(reading.fields) == ["a", "b"]


def test_a_source_names_the_columns() -> None:
    options = Options(columns=["p", "door"], column_units={"p": "hPa"}, separator=";")
    profile = LINES.with_options(options)
    [reading] = profile.decode(b"1013.2;open")
    assert reading.fields == {"p": 1013.2, "door": "open"}
    assert profile.units_of(reading) == {"p": "hPa"}


def test_the_units_of_the_profile_stay_with_its_own_columns() -> None:
    profile = LINES.with_options(Options(columns=["t", "x"]))
    assert profile.units_of(profile.decode(b"1,2")[0]) == {}
    profile = LINES.with_options(Options(column_units={"t": "degF"}))
    assert profile.units_of(profile.decode(b"1,2,3")[0]) == {"t": "degF", "rh": "%RH", "p": "hPa"}


def test_mistakes_of_a_source() -> None:
    with pytest.raises(ConfigurationError) as caught:
        LINES.with_options(Options(columns=["a", "a"], column_units={"b": "V", "a": "µV"}))
    assert caught.value.mistakes == [
        "column_units: 'b' is no column",
        'column_units: \'µV\' is not plain ASCII such as "ug/m3", "degC" or "%RH"',
        "columns: 'a' stands more than once",
    ]
    with pytest.raises(ConfigurationError) as caught:
        load("json-lines", [builtin_folder()]).with_options(Options(columns=["a"], time_field="t"))
    assert caught.value.mistakes == ["columns: profile 'json-lines' does not read lines of values; remove the key"]


def test_mistakes_of_a_profile() -> None:
    assert [key for key, _ in CsvPayload(columns=[Column(name="a"), Column(name="a")]).mistakes()] == ["columns"]
    assert [key for key, _ in Column(name="a", unit="°C").mistakes()] == ["unit"]
