"""Frames that say their length: any split gives the same, garbage costs nothing whole, memory is bounded."""

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.profiles.checksum import Checksum
from collector.profiles.framing.framer import INCOMPLETE
from collector.profiles.framing.length_field import LengthField, LengthFieldFraming
from collector.profiles.table import Hex

from .streams import counts, split

START = b"BM"
SIZE = LengthField(at=2, type="u16be", add=4)
FRAMING = LengthFieldFraming(start=Hex(START), length=SIZE, max_length=24, lengths=[12, 16], ignore=[8])
ANY = LengthFieldFraming(start=Hex(START), length=SIZE, max_length=24)
VERIFY = Checksum(type="sum16", over=(0, -2), at=-2, byte_order="big").verifier()


def frame(body: bytes) -> bytes:
    data = START + (len(body) + 2).to_bytes(2, "big") + body
    return data + sum(data).to_bytes(2, "big")


GOOD = frame(b"12345678"[:6])
LONG = frame(b"1234567890")
REPLY = frame(b"\xe1\x00")
FOREIGN = frame(b"x" * 8)
bodies = (
    st.binary(min_size=6, max_size=6) | st.binary(min_size=10, max_size=10) | st.just(START * 3) | st.just(GOOD[:10])
)
shards = st.one_of(
    st.binary(max_size=12),
    st.sampled_from([b"B", START, START + b"\xff\xff", START + b"\x00\x14", GOOD[:11], GOOD[1:], FOREIGN, REPLY]),
)
garbage = st.lists(shards, max_size=4).map(b"".join)


@given(st.lists(bodies.map(frame) | garbage, max_size=12).map(b"".join), st.lists(st.integers(0, 2000)))
def test_any_split_gives_the_same(stream: bytes, cuts: list[int]) -> None:
    for framing in (FRAMING, ANY):
        whole, pieces = framing.framer(VERIFY), framing.framer(VERIFY)
        expected = whole.feed(stream) + whole.end()
        got = []
        for piece in split(stream, cuts):
            got += pieces.feed(piece)
            assert len(pieces._rest) < framing.max_length  # type: ignore[attr-defined]
        assert got + pieces.end() == expected
        assert counts(pieces) == counts(whole)
        assert all(framing.refusal(one) is None and VERIFY(one) for one in expected)
        accounted = sum(map(len, expected)) + 8 * whole.ignored + whole.garbage_bytes
        assert len(stream) == accounted, "every byte is accounted for"


@given(st.lists(st.tuples(garbage, st.lists(bodies.map(frame), min_size=1, max_size=4)), max_size=6))
def test_a_burst_of_garbage_costs_at_most_one_good_frame(bursts: list[tuple[bytes, list[bytes]]]) -> None:
    framer = FRAMING.framer(VERIFY)
    for noise, good in bursts:
        got = framer.feed(noise + b"".join(good) + bytes(FRAMING.max_length))
        if got[-len(good) :] != good:
            assert len(good) == 1 or got[-len(good) + 1 :] == good[1:]


def test_several_lengths_on_one_line() -> None:
    framer = FRAMING.framer(VERIFY)
    assert framer.feed(GOOD + LONG + REPLY + GOOD) == [GOOD, LONG, GOOD]
    assert counts(framer) == ({}, 1, 0)


def test_which_witness_failed() -> None:
    framer = FRAMING.framer(VERIFY)
    assert framer.feed(GOOD[:5] + b"\x00" + GOOD[6:]) == []
    assert framer.feed(FOREIGN) == []
    assert framer.feed(FOREIGN[:5] + b"\x00" + FOREIGN[6:]) == [], "neither length nor checksum: no frame at all"
    assert framer.feed(REPLY[:4] + b"\x00" + REPLY[5:]) == [], "a damaged reply is noise"
    assert framer.feed(GOOD[:7]) == [] and framer.end() == []
    assert framer.refused == {"checksum": 1, "length": 1, INCOMPLETE: 1}


def test_a_length_beyond_the_greatest_is_not_waited_for() -> None:
    framer = FRAMING.framer(VERIFY)
    assert framer.feed(START + b"\xff\xff" + GOOD) == [GOOD]
    assert framer.feed(START + b"\x00\x00" + GOOD) == [GOOD], "nor one that leaves no room for itself"
    assert framer.garbage_bytes == 8


def test_the_end_of_the_input_gives_up_a_start_that_waits() -> None:
    framer = ANY.framer(VERIFY)
    assert framer.feed(START + b"\x00\x14" + GOOD) == []
    assert framer.end() == [GOOD]
    assert counts(framer) == ({INCOMPLETE: 1}, 0, 4)


def test_without_a_checksum_start_and_length_are_believed() -> None:
    framing = LengthFieldFraming(start=Hex(b"$"), length=LengthField(at=1, type="u8"), max_length=9)
    framer = framing.framer(None)
    assert framer.feed(b"..$\x04ab$\x02$\x09") == [b"$\x04ab", b"$\x02"]


def test_memory_is_bounded_by_noise_of_starts() -> None:
    framer = FRAMING.framer(VERIFY)
    tracemalloc.start()
    for _ in range(50):
        assert framer.feed(START * 2000) == []
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 500_000
    assert framer.feed(b"\0" * 24 + GOOD) == [GOOD]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (GOOD, None),
        (LONG, None),
        (b"", "start"),
        (b"XX" + GOOD[2:], "start"),
        (GOOD[:3], "length"),
        (GOOD[:-1], "length"),
        (FOREIGN, "length"),
        (frame(bytes(30)), "length"),
    ],
)
def test_refusal_of_a_frame_from_elsewhere(data: bytes, reason: str | None) -> None:
    assert FRAMING.refusal(data) == reason


def test_mistakes() -> None:
    wrong = LengthFieldFraming(
        start=Hex(), length=LengthField(at=0, type="u16be"), max_length=8, lengths=[1, 8, 9], ignore=[8]
    )
    assert [key for key, _ in wrong.mistakes()] == ["start", "lengths", "lengths", "ignore"]
    inside = LengthFieldFraming(start=Hex(b"ab"), length=LengthField(at=1, type="u8"), max_length=8)
    assert [key for key, _ in inside.mistakes()] == ["length.at"]
