"""Numbers in frames: every type against the standard library, and decimals that stay decimals."""

import math
import struct
import typing
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.profiles.payload.numbers import Number, NumberName, bit_range, linear

NAMES: tuple[NumberName, ...] = typing.get_args(NumberName)
INTEGERS = [name for name in NAMES if not name.startswith("float")]


@given(st.sampled_from(INTEGERS), st.integers(0, 5), st.data())
def test_integers(name: NumberName, at: int, data: st.DataObject) -> None:
    number = Number.named(name)
    value = data.draw(st.integers(*number.limits()))
    order: typing.Literal["little", "big"] = "little" if name.endswith("le") else "big"
    frame = bytes(at) + value.to_bytes(number.size, order, signed=name.startswith("i")) + b"\xff"
    assert number.at(at)(frame) == value


@given(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(["be", "le"]))
def test_float64(value: float, order: str) -> None:
    frame = struct.pack((">" if order == "be" else "<") + "d", value)
    assert Number.named(typing.cast(NumberName, f"float64{order}")).at(0)(frame) == value


@given(st.floats(allow_nan=False, allow_infinity=False, width=32))
def test_float32_is_the_shortest_decimal_of_the_same_float(value: float) -> None:
    frame = struct.pack("<f", value)
    read = Number.named("float32le").at(0)(frame)
    assert struct.pack("<f", read) == frame
    assert len(repr(read)) <= len(repr(value))


def test_float32_of_a_decimal_is_that_decimal() -> None:
    assert Number.named("float32be").at(0)(struct.pack(">f", 230.2)) == 230.2
    assert Number.named("float32be").at(0)(bytes.fromhex("43663334")) == 230.20001  # Eastron SDM120 example


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_json_has_not_is_null(value: float) -> None:
    assert Number.named("float32be").at(0)(struct.pack(">f", value)) is None
    assert linear(Number.named("float64be").at(0), 2, 0, None)(struct.pack(">d", value)) is None
    assert linear(Number.named("float64be").at(0), 2, 0, None)(struct.pack(">d", 1.7e308)) is None


def test_bits() -> None:
    word = Number.named("u16be").at(0)
    frame = bytes.fromhex("ac36")  # RuuviTag RAWv2: 11 bits of battery, 5 bits of power
    assert linear(bit_range(word, 5, 16), 0.001, 1.6, (0, 2047))(frame) == 2.977
    assert linear(bit_range(word, 0, 5), 2, -40, (0, 31))(frame) == 4


def scaled(raw: int, scale: float, offset: float = 0) -> typing.Any:
    return linear(lambda _: raw, scale, offset, (-(2**15), 2**16))(b"")


@given(
    st.integers(-(2**15), 2**16),
    st.sampled_from([0.1, 0.01, 0.001, 0.005, 0.0025, 0.03, 1e-9, 12.5, -0.1]),
    st.sampled_from([0, -40, 1.6, 0.25]),
)
def test_scaling_rounds_only_once(raw: int, scale: float, offset: float) -> None:
    exact = Decimal(raw) * Decimal(repr(scale)) + Decimal(repr(offset))
    assert scaled(raw, scale, offset) == float(exact)


def test_integers_stay_integers() -> None:
    assert scaled(1236, 0.1) == 123.6
    assert repr(scaled(7, 1)) == "7"
    assert repr(scaled(7, 10, -3)) == "67"
    assert repr(scaled(10, 0.1)) == "1.0", "a scaled field keeps one type, whatever its value"


def test_integers_beyond_64_bits_become_floats() -> None:
    top = 2**64 - 1
    value = linear(lambda _: top, 10, 0, (0, top))(b"")
    assert type(value) is float
    assert value == float(top * 10)
