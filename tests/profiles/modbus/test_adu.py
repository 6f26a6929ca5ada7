"""Frames of Modbus, built and taken apart; pymodbus builds the same from the same."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymodbus.framer import FramerRTU, FramerSocket
from pymodbus.pdu import DecodePDU
from pymodbus.pdu.register_message import ReadHoldingRegistersRequest, ReadInputRegistersRequest

from collector.errors import FrameError
from collector.profiles.modbus import adu, pdu
from collector.profiles.modbus.pdu import Refusal, Request

VOLTAGE = bytes.fromhex("010404436633341b38")
ASKED = Request(4, 0, 2)

requests = st.builds(Request, st.sampled_from([3, 4]), st.integers(0, 65535), st.integers(1, 125))


@settings(deadline=None)
@given(requests, st.integers(1, 247), st.integers(1, 65535))
def test_requests_are_those_of_pymodbus(asked: Request, address: int, transaction: int) -> None:
    kind = ReadHoldingRegistersRequest if asked.function == 3 else ReadInputRegistersRequest
    theirs = kind(address=asked.first, count=asked.quantity)
    theirs.dev_id = theirs.slave_id = address
    theirs.transaction_id = transaction
    assert FramerRTU(DecodePDU(False)).buildFrame(theirs) == adu.rtu(address, asked.encode())
    assert FramerSocket(DecodePDU(False)).buildFrame(theirs) == adu.tcp(transaction, address, asked.encode())


@settings(deadline=None)
@given(requests, st.integers(0, 255), st.integers(0, 65535))
def test_a_request_is_read_back_from_either_frame(asked: Request, address: int, transaction: int) -> None:
    assert adu.request(adu.rtu(address, asked.encode())) == asked
    assert adu.request(adu.tcp(transaction, address, asked.encode())) == asked


@pytest.mark.parametrize(
    ("frame", "fault"),
    [
        (b"", "0 bytes are no Modbus frame"),
        (bytes.fromhex("010400010002ffff"), "the CRC does not match, and it is no TCP frame either"),
        (adu.rtu(1, bytes.fromhex("0600010002")), "is not a request for registers (function 3 or 4)"),
        (adu.rtu(1, bytes.fromhex("0400010000")), "asks for 0 registers; 1 to 125 can be asked for"),
        (adu.rtu(1, bytes.fromhex("040001007e")), "asks for 126 registers; 1 to 125 can be asked for"),
    ],
)
def test_what_is_no_request(frame: bytes, fault: str) -> None:
    with pytest.raises(ValueError) as caught:
        adu.request(frame)
    assert str(caught.value) == fault


def test_a_reply_is_found_whatever_stands_around_it() -> None:
    echo, glitch = adu.rtu(1, ASKED.encode()), b"\0"
    for before in (b"", glitch, echo, echo + glitch, VOLTAGE[:4]):
        assert adu.find_reply(before + VOLTAGE, 1, ASKED) == VOLTAGE[1:-2], before.hex()


def test_replies_of_others_and_of_another_shape_are_none() -> None:
    for stranger in (
        adu.rtu(2, VOLTAGE[1:-2]),
        adu.rtu(1, b"\x03" + VOLTAGE[2:-2]),
        adu.rtu(1, bytes.fromhex("04020001")),
        adu.rtu(1, bytes.fromhex("8302")),
        VOLTAGE[:-1],
        b"",
    ):
        assert adu.find_reply(stranger, 1, ASKED) is None, stranger.hex()


def test_a_spoiled_reply_is_said_to_be_one() -> None:
    with pytest.raises(FrameError, match="CRC of the reply is wrong") as caught:
        adu.find_reply(VOLTAGE[:-1] + b"\0", 1, ASKED)
    assert caught.value.reason == "checksum"


def test_an_exception_is_an_answer() -> None:
    reply = adu.find_reply(adu.rtu(1, bytes.fromhex("8402")), 1, ASKED)
    assert reply == bytes.fromhex("8402")
    with pytest.raises(Refusal, match="refuses function 4: exception 2, illegal data address") as caught:
        pdu.answer(ASKED, reply)
    assert (caught.value.reason, caught.value.code) == ("exception", pdu.ILLEGAL_ADDRESS)


@settings(deadline=None)
@given(st.binary(max_size=60), requests, st.integers(0, 255))
def test_no_bytes_bring_it_to_fall(data: bytes, asked: Request, address: int) -> None:
    try:
        found = adu.find_reply(data, address, asked)
        if found is not None:
            pdu.answer(asked, found)
    except FrameError:
        pass
