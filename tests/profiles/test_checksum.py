"""Published frames and the check values of the CRC RevEng catalogue (over "123456789")."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.profiles.checksum import ALGORITHMS, Checksum


@pytest.mark.parametrize(
    ("name", "check"),
    [
        ("crc16-modbus", 0x4B37),
        ("crc16-arc", 0xBB3D),
        ("crc16-x25", 0x906E),
        ("crc16-kermit", 0x2189),
        ("sum8", 0xDD),
        ("negated-sum8", 0x23),
        ("sum16", 0x01DD),
        ("xor8", 0x31),
    ],
)
def test_check_value(name: str, check: int) -> None:
    assert ALGORITHMS[name][0](b"123456789") == check


def checksum(**keys: Any) -> Checksum:
    return Checksum(**keys)


SENSEAIR_S8 = bytes.fromhex("fe04020190acd8")  # Senseair, Modbus on Senseair S8, TDE2067
WINSEN_MH_Z19B = bytes.fromhex("ff86026047000000d1")  # Winsen, MH-Z19B manual V1.0
PMS5003 = bytes.fromhex("424d001c0002000a000a0002000a000a024600af0031001600000000970002ac")  # Plantower V2.3
NMEA = b"$GPVTG,108.53,T,,M,0.04,N,0.07,K,A*31"  # NMEA 0183


@pytest.mark.parametrize(
    ("declared", "frame"),
    [
        (checksum(type="crc16-modbus", over=(0, -2), at=-2, byte_order="little"), SENSEAIR_S8),
        (checksum(type="negated-sum8", over=(1, 8), at=8), WINSEN_MH_Z19B),
        (checksum(type="sum16", over=(0, 30), at=30, byte_order="big"), PMS5003),
        (checksum(type="xor8", over=(1, -3), at=-2, encoding="hex"), NMEA),
    ],
)
def test_published_frames(declared: Checksum, frame: bytes) -> None:
    verify = declared.verifier()
    assert verify(frame)
    for i in range(len(frame)):
        damaged = frame[:i] + bytes([frame[i] ^ 1]) + frame[i + 1 :]
        covered = range(len(frame))[slice(*declared.over)]
        if i in covered or i >= len(frame) - declared.width:
            assert not verify(damaged)


def test_hex_digits_in_either_case_and_nothing_else() -> None:
    verify = checksum(type="sum8", over=(0, 2), at=2, encoding="hex").verifier()
    assert verify(b"\xa0\x0aaa")
    assert verify(b"\xa0\x0aAA")
    assert verify(b"\x05\x0510") is False
    assert verify(b"\x05\x05+a") is False


@given(st.binary(max_size=8), st.sampled_from(sorted(ALGORITHMS)), st.sampled_from(["raw", "hex"]))
def test_a_frame_too_short_is_refused_not_an_error(frame: bytes, name: str, encoding: Any) -> None:
    declared = checksum(type=name, over=(2, 8), at=8, byte_order="big", encoding=encoding)
    assert not declared.verifier()(frame)


@given(st.binary(min_size=1, max_size=64), st.sampled_from(sorted(ALGORITHMS)), st.sampled_from(["big", "little"]))
def test_what_is_appended_verifies(data: bytes, name: str, order: Any) -> None:
    algorithm, width = ALGORITHMS[name]
    frame = data + algorithm(data).to_bytes(width, order)
    assert checksum(type=name, over=(0, -width), at=-width, byte_order=order).verifier()(frame)


def test_misfits() -> None:
    assert list(checksum(type="sum8", over=(2, 8), at=8).misfits(10)) == []
    assert list(checksum(type="sum8", over=(1, -3), at=-2).misfits(10)) == []
    assert list(checksum(type="sum8", over=(2, 9), at=8).misfits(10)) == [
        "checksum.over: the checksum cannot cover itself"
    ]
    assert list(checksum(type="sum16", over=(8, 12), at=9, byte_order="big").misfits(10)) == [
        "checksum.over: [8, 12) is not within the frame's 10 bytes",
        "checksum.at: 2 bytes at 9 are not within the frame's 10 bytes",
    ]
