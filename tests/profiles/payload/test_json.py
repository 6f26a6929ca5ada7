"""Open JSON: every key kept, every trap either a value that can travel or a refusal with its reason."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.errors import FrameError
from collector.profiles.payload.json import MAX_DEPTH, MAX_FIELDS, JsonPayload
from collector.reading import Decoded

read = JsonPayload().reader()


def fields(text: str | bytes) -> list[dict[str, Any]]:
    return [one.fields for one in read(text.encode() if isinstance(text, str) else text)]


def refusal(text: str | bytes) -> str:
    with pytest.raises(FrameError) as caught:
        fields(text)
    assert "\n" not in str(caught.value)
    return caught.value.reason


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"a":1,"b":"x","c":true,"d":null,"e":1.5}', {"a": 1, "b": "x", "c": True, "d": None, "e": 1.5}),
        ('{"sensor":"gps","data":[48.756080,2.302038]}', {"sensor": "gps", "data[0]": 48.75608, "data[1]": 2.302038}),
        ('{"a":{"b":{"c":1}},"d":[{"e":2},[3]]}', {"a.b.c": 1, "d[0].e": 2, "d[1][0]": 3}),
        ('{"a":{},"b":[],"c":[{}]}', {"a": None, "b": None, "c[0]": None}),
        (' {"a":1} \r\n', {"a": 1}),
        ('{"":1,"a":{"":2}}', {"": 1, "a.": 2}),
        ('{"a":null}', {"a": None}),
        ('{"a":"x\\u0000y"}', {"a": "x\0y"}),
        ('{"a":"\\ud83d\\ude00 µ"}', {"a": "😀 µ"}),
        ("23.1", {"value": 23.1}),
        ('"on"', {"value": "on"}),
        ("false", {"value": False}),
        ("null", {"value": None}),
        ("[1,[2,{}]]", {"value[0]": 1, "value[1][0]": 2, "value[1][1]": None}),
        ('[1,{"a":2}]', {"value[0]": 1, "value[1].a": 2}),
    ],
)
def test_one_reading(text: str, expected: dict[str, Any]) -> None:
    [found] = fields(text)
    assert found == expected
    assert list(found) == list(expected), "fields stand in the order they were sent"


def test_an_array_of_objects_is_a_reading_each() -> None:
    assert fields('[{"a":1},{},{"a":{"b":2}}]') == [{"a": 1}, {"a.b": 2}]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a":1,"a":2}', 2),
        ('{"a":1,"a":{"b":0},"a":2}', 2),
        ('{"a.b":1,"a":{"b":2}}', 2),
        ('{"a":{"b":2},"a.b":1}', 1),
    ],
)
def test_of_equal_keys_the_last_wins(text: str, value: int) -> None:
    [found] = fields(text)
    assert list(found.values()) == [value]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (str(2**64 - 1), 2**64 - 1),
        (str(-(2**63)), -(2**63)),
        (str(2**64), float(2**64)),
        (str(-(2**63) - 1), float(-(2**63) - 1)),
        ("1" + "0" * 300, 1e300),
        ("1e5", 100000.0),
        ("1e-400", 0.0),
    ],
)
def test_numbers_that_can_travel(text: str, value: float) -> None:
    for found in (fields(text)[0]["value"], fields(f'{{"a":{text}}}')[0]["a"], fields(f'{{"a":[{text}]}}')[0]["a[0]"]):
        assert found == value
        assert type(found) is type(value)
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(found)) == value


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        (" \r\n", "empty"),
        ("{}", "empty"),
        ("[]", "empty"),
        ("[{},{}]", "empty"),
        ("NaN", "json"),
        ('{"a":nan}', "json"),
        ('{"a":-Infinity}', "json"),
        ('{"a":1e400}', "json"),
        ('{"a":1' + "0" * 400 + "}", "json"),
        ('{"a":1' + "0" * 5000 + "}", "json"),
        ('{"a":1} {"b":2}', "json"),
        ('{"a":1', "json"),
        ("{'a':1}", "json"),
        ("hello", "json"),
        ('{"a":"\\ud800"}', "json"),
        ('{"a":"\\ud800 and more"}', "json"),
        ('{"\\udc00 and more":1}', "json"),
        (b'{"a":"\xff"}', "utf-8"),
        (b'{"\xed\xa0\x80":1}', "utf-8"),
        (b"\x00\xff", "json"),
        ("[" * 100_000, "too deep"),
        ('{"a":' * 100_000, "too deep"),
        ('{"a":' * (MAX_DEPTH + 1) + "1" + "}" * (MAX_DEPTH + 1), "too deep"),
        ("{" + ",".join(f'"{i}":1' for i in range(MAX_FIELDS + 1)) + "}", "too large"),
        ('{"a":[' + ",".join("1" * (MAX_FIELDS + 1)) + "]}", "too large"),
        ('{"' + "k" * 10_000 + '":[' + ",".join("1" * 1000) + "]}", "too large"),
    ],
)
def test_refusals(text: str | bytes, reason: str) -> None:
    assert refusal(text) == reason


def test_the_greatest_that_is_taken() -> None:
    assert len(fields('{"a":' * MAX_DEPTH + "1" + "}" * MAX_DEPTH)[0]) == 1
    assert len(fields("{" + ",".join(f'"{i}":1' for i in range(MAX_FIELDS)) + "}")[0]) == MAX_FIELDS
    assert len(fields('{"a":[' + ",".join("1" * MAX_FIELDS) + "]}")[0]) == MAX_FIELDS


def test_time_and_device_are_opt_in_and_stay_fields() -> None:
    text = b'{"id":"a1","t":{"at":1351824120.5}}'
    assert read(text) == [Decoded(None, {"id": "a1", "t.at": 1351824120.5})]
    chosen = JsonPayload(time_field="t.at", device_field="id").reader()
    assert chosen(text) == [Decoded("a1", {"id": "a1", "t.at": 1351824120.5}, 1351824120_500_000_000)]
    assert chosen(b'{"x":1}') == [Decoded(None, {"x": 1})]


@pytest.mark.parametrize(("value", "device"), [('"a"', "a"), ("7", "7"), ('""', None), ("true", None), ("1.5", None)])
def test_what_names_a_device(value: str, device: str | None) -> None:
    assert JsonPayload(device_field="d").reader()(f'{{"d":{value}}}'.encode())[0].device == device


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=20,
)


@given(json_values)
def test_whatever_is_json_gives_readings_that_can_travel(value: Any) -> None:
    try:
        found = read(msgspec.json.encode(value))
    except FrameError as error:
        assert error.reason == "empty" or (error.reason == "json" and "beyond" in error.detail)
        return
    for one in found:
        assert one.fields
        assert not any(isinstance(inner, dict | list) for inner in one.fields.values())
        msgspec.msgpack.encode(one.fields)
        msgspec.json.encode(one.fields)


@given(st.binary(max_size=40) | st.text('{}[]",:\\ue1-.0 tfn', max_size=40).map(str.encode))
def test_parse_or_frame_error_and_nothing_else(payload: bytes) -> None:
    try:
        assert read(payload)
    except FrameError as error:
        assert error.reason in {"empty", "json", "utf-8"}
