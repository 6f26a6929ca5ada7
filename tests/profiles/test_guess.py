"""Captures of made-up devices: what they are guessed to be is what they were made of."""

import random
from collections.abc import Callable

import pytest

from collector.commands.profiles.guess import guess
from collector.profiles.checksum import ALGORITHMS

Device = Callable[[random.Random], bytes]


def with_sum8_before_the_end(chance: random.Random) -> bytes:
    data = chance.randbytes(6)
    return b"\xaa\xc0" + data + bytes([sum(data) & 0xFF]) + b"\xab"


def with_sum16(chance: random.Random) -> bytes:
    frame = b"\x42\x4d\x00\x1c" + b"".join(chance.randrange(200).to_bytes(2, "big") for _ in range(13))
    return frame + sum(frame).to_bytes(2, "big")


def with_negated_sum8(chance: random.Random) -> bytes:
    data = bytes([0x87, chance.randrange(8), chance.randrange(256), 60 + chance.randrange(3), 0, 0, 0])
    return b"\xfe" + data + bytes([-sum(data) & 0xFF])


def with_length_and_crc(chance: random.Random) -> bytes:
    length = chance.randrange(4, 9)
    frame = bytes([0x55, 0xA5, length]) + chance.randbytes(length)
    return frame + ALGORITHMS["crc16-modbus"][0](frame).to_bytes(2, "little")


def without_checksum(chance: random.Random) -> bytes:
    return b"\x7e\x01" + chance.randbytes(4) + b"\x0d"


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    ("device", "framing", "checksum"),
    [
        (
            with_sum8_before_the_end,
            {"type": "fixed", "start": "aa c0", "length": 10, "end": "ab"},
            {"type": "sum8", "over": [2, -2], "at": -2},
        ),
        (
            with_sum16,
            {"type": "fixed", "start": "42 4d", "length": 32},
            {"type": "sum16", "over": [0, -2], "at": -2, "byte_order": "big"},
        ),
        (
            with_negated_sum8,
            {"type": "fixed", "start": "fe 87", "length": 9},
            {"type": "negated-sum8", "over": [1, -1], "at": -1},
        ),
        (
            with_length_and_crc,
            {"type": "length-field", "start": "55 a5", "length": {"at": 2, "type": "u8", "add": 5}, "max_length": 260},
            {"type": "crc16-modbus", "over": [0, -2], "at": -2, "byte_order": "little"},
        ),
    ],
)
def test_frames(seed: int, device: Device, framing: dict[str, object], checksum: dict[str, object] | None) -> None:
    chance = random.Random(seed)
    tail = device(chance)[5:]
    looks = guess(tail + b"".join(device(chance) for _ in range(30)) + device(chance)[:4])
    assert looks is not None
    assert {key: value for key, value in looks.framing.items() if key != "lengths"} == framing
    assert looks.checksum == checksum


def test_frames_without_a_checksum_tell_their_length() -> None:
    """Which of the bytes that never change is the first, nobody could tell."""
    chance = random.Random(1)
    looks = guess(b"".join(without_checksum(chance) for _ in range(30)))
    assert looks is not None
    assert (looks.framing["length"], looks.checksum) == (7, None)


@pytest.mark.parametrize(
    ("data", "payload"),
    [
        (b'": 3}\n{"a": 1}\n{"a": 2}\n', {"type": "json"}),
        (
            b"3;4\r\n21.5;40\r\n21.6;41\r\n",
            {"type": "csv", "separator": ";", "columns": [{"name": "c0"}, {"name": "c1"}]},
        ),
        (b"1\t2\t3\n1\t2\t3\n", {"type": "csv", "separator": "tab", "columns": [{"name": f"c{n}"} for n in range(3)]}),
        (b"21.5\n21.6\n", {"type": "csv", "columns": [{"name": "value"}]}),
    ],
)
def test_lines(data: bytes, payload: dict[str, object]) -> None:
    looks = guess(data)
    assert looks is not None
    assert (looks.framing, looks.payload) == ({"type": "delimiter"}, payload)


@pytest.mark.parametrize("data", [b"", b"\x00", b"\xaa\xc0", random.Random(1).randbytes(5000), bytes(100)])
def test_nothing_repeats_usefully(data: bytes) -> None:
    looks = guess(data)
    assert looks is None or looks.frame
