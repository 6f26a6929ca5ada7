"""Registers as declared in a profile: numbers in every order, what is asked for, and which request a reply answers."""

import struct
from typing import Any

import pytest

from collector.errors import FrameError
from collector.profiles.modbus import adu
from collector.profiles.modbus.pdu import Request
from collector.profiles.payload.registers import RegisterField, RegistersPayload

ORDERS = {"abcd": (0, 1, 2, 3), "cdab": (2, 3, 0, 1), "badc": (1, 0, 3, 2), "dcba": (3, 2, 1, 0)}


def field(name: str, register: int, type: str = "float32", **keys: Any) -> RegisterField:
    return RegisterField(name=name, register=register, type=type, **keys)  # type: ignore[arg-type]


def value(declared: RegisterField, data: bytes, order: str = "abcd") -> Any:
    payload = RegistersPayload(fields=[declared], order=order)  # type: ignore[arg-type]
    return payload.map().read(declared.span.request(), data).fields[declared.name]


@pytest.mark.parametrize("order", ORDERS)
def test_a_float_in_every_order(order: str) -> None:
    data = struct.pack(">f", -123.25)
    data = bytes(data[at] for at in ORDERS[order])
    assert value(field("f", 0), data, order) == -123.25
    assert value(field("f", 0, order=order), data, "abcd") == -123.25


@pytest.mark.parametrize(
    ("type", "number", "form"),
    [
        ("u16", 0xFFFE, ">H"),
        ("i16", -2, ">h"),
        ("u32", 2**32 - 2, ">I"),
        ("i32", -70000, ">i"),
        ("u64", 2**63 + 5, ">Q"),
        ("i64", -(2**40), ">q"),
        ("float64", -1e100, ">d"),
    ],
)
def test_every_type_in_every_order(type: str, number: float, form: str) -> None:
    data = struct.pack(form, number)
    words = [data[at : at + 2] for at in range(0, len(data), 2)]
    assert value(field("x", 0, type), data) == number
    assert value(field("x", 0, type), b"".join(reversed(words)), "cdab") == number
    assert value(field("x", 0, type), b"".join(word[::-1] for word in words), "badc") == number
    assert value(field("x", 0, type), data[::-1], "dcba") == number


def test_scale_sentinel_bits_enum_and_range_are_those_of_binary_frames() -> None:
    assert value(field("t", 0, "i32", scale=0.001), bytes.fromhex("fffffc18")) == -1.0
    assert value(field("t", 0, "i16", sentinel=-32768), bytes.fromhex("8000")) is None
    assert value(field("t", 0, "u16", bits=(8, 16)), bytes.fromhex("0121")) == 1
    assert value(field("t", 0, "u16", enum={"1": "on"}), bytes.fromhex("0001")) == "on"
    read = RegistersPayload(fields=[field("v", 0, range=(0.0, 500.0))]).map().read
    assert read(Request(4, 0, 2), struct.pack(">f", 600.0)).suspect == ["v"]
    assert read(Request(4, 0, 2), bytes.fromhex("7fc00000")).fields == {"v": None}


METER = RegistersPayload(
    fields=[
        field("voltage", 0),
        field("current", 6),
        field("energy", 0x156),
        field("demand", 0x54, poll=False),
        field("address", 0x14, table="holding", poll=False),
    ],
    max_gap=4,
)


def test_what_is_polled_is_asked_for_in_few_requests() -> None:
    assert METER.map().requests == [Request(4, 0, 8), Request(4, 0x156, 2)]
    assert METER.map(["demand", "address"]).requests == [Request(3, 0x14, 2), Request(4, 0x54, 2)]


def reply(function: int, *numbers: float) -> bytes:
    data = b"".join(struct.pack(">f", number) for number in numbers)
    return adu.rtu(1, bytes([function, len(data)]) + data)


def test_without_a_request_it_is_the_first_with_a_reply_of_that_length() -> None:
    read = METER.reader()
    assert read(reply(4, 230.5))[0].fields == {"voltage": 230.5}
    assert read(reply(4, 230.5, 0, 0, 1.5))[0].fields == {"voltage": 230.5, "current": 1.5}
    assert read(reply(3, 7))[0].fields == {"address": 7.0}
    with pytest.raises(FrameError, match="asks nothing that is answered by function 4 and 4 registers"):
        read(reply(4, 1, 2))


def test_a_request_says_what_is_meant() -> None:
    assert METER.reader(Request(4, 0x54, 2))(reply(4, 55))[0].fields == {"demand": 55.0}
    with pytest.raises(FrameError, match="no field of this profile lies in"):
        METER.reader(Request(4, 1, 2))(reply(4, 55))
    with pytest.raises(FrameError, match="answers no"):
        METER.reader(Request(4, 0x54, 4))(reply(4, 55))
