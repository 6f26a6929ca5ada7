"""Fixed frames: any split gives the same, and garbage costs at most one good frame a burst."""

from hypothesis import given
from hypothesis import strategies as st

from collector.profiles.checksum import Checksum
from collector.profiles.framing.fixed import FixedFraming, Marked
from collector.profiles.framing.framer import INCOMPLETE, Framer
from collector.profiles.table import Hex

from .streams import counts, split

DATA, REPLY, END = b"\xaa\xc0", b"\xaa\xc5", b"\xab"
FRAMING = FixedFraming(
    start=Hex(DATA), length=10, end=Hex(END), ignore=[Marked(start=Hex(REPLY), length=10, end=Hex(END))]
)
VERIFY = Checksum(type="sum8", over=(2, 8), at=8).verifier()


def framer() -> Framer:
    return FRAMING.framer(VERIFY)


def frame(body: bytes, start: bytes = DATA) -> bytes:
    return start + body + bytes([sum(body) & 0xFF]) + END


GOOD = frame(bytes.fromhex("d4043a0aa160"))
bodies = st.binary(min_size=6, max_size=6) | st.sampled_from([DATA * 3, b"\xaa" * 6, END * 6, GOOD[:6], GOOD[4:]])
# Garbage made of what can confuse: markers, halves of frames, damaged frames.
shards = st.one_of(
    st.binary(max_size=12),
    st.sampled_from([b"\xaa", DATA, REPLY, END, GOOD[:9], GOOD[1:], GOOD[:8] + b"\x00" + END, GOOD[:9] + b"\x00"]),
)
garbage = st.lists(shards, max_size=4).map(b"".join)


@given(st.lists(bodies.map(frame) | garbage, max_size=12).map(b"".join), st.lists(st.integers(0, 2000)))
def test_any_split_gives_the_same(stream: bytes, cuts: list[int]) -> None:
    whole, pieces = framer(), framer()
    expected = whole.feed(stream) + whole.end()
    got = [one for piece in split(stream, cuts) for one in pieces.feed(piece)] + pieces.end()
    assert got == expected
    assert counts(pieces) == counts(whole)
    assert all(len(one) == 10 and VERIFY(one) for one in got)
    assert len(stream) == 10 * (len(got) + whole.ignored) + whole.garbage_bytes, "every byte is accounted for"


@given(st.lists(st.tuples(garbage, st.lists(bodies.map(frame), min_size=1, max_size=4)), max_size=6))
def test_a_burst_of_garbage_costs_at_most_one_good_frame(bursts: list[tuple[bytes, list[bytes]]]) -> None:
    fixed = framer()
    for noise, good in bursts:
        got = fixed.feed(noise + b"".join(good))
        if got[-len(good) :] != good:
            assert len(good) == 1 or got[-len(good) + 1 :] == good[1:]
        assert len(fixed._rest) < 10  # type: ignore[attr-defined]


def test_good_frames_without_garbage_are_all_there_at_once() -> None:
    fixed = framer()
    assert fixed.feed(GOOD * 1000) == [GOOD] * 1000
    assert counts(fixed) == ({}, 0, 0)


def test_false_start_right_before_a_frame_costs_nothing() -> None:
    fixed = framer()
    assert fixed.feed(DATA + DATA + b"\xaa" + GOOD) == [GOOD]
    assert counts(fixed) == ({}, 0, 5)


def test_a_lost_byte_costs_the_frame_it_was_lost_from() -> None:
    fixed = framer()
    assert fixed.feed(GOOD + GOOD[:4] + GOOD[5:] + GOOD + GOOD) == [GOOD] * 3
    assert fixed.garbage_bytes == 9


def test_which_witness_failed() -> None:
    fixed = framer()
    assert fixed.feed(GOOD[:2] + b"\x00" + GOOD[3:]) == []
    assert fixed.feed(GOOD[:9] + b"\x00") == []
    assert fixed.feed(GOOD[:9]) == [] and fixed.end() == []
    assert fixed.refused == {"checksum": 1, "end": 1, INCOMPLETE: 1}


def test_replies_to_commands_are_told_apart() -> None:
    fixed = framer()
    reply = frame(bytes.fromhex("02010100a160"), REPLY)
    assert fixed.feed(reply + GOOD + reply[:8] + b"\x00" + END + GOOD) == [GOOD, GOOD]
    assert counts(fixed) == ({}, 1, 10), "a damaged reply is noise, not a complaint"


def test_the_end_of_the_input_gives_up_a_start_that_waits() -> None:
    fixed = FixedFraming(start=Hex(b"\x01"), length=20, ignore=[Marked(start=Hex(b"\x02"), length=3)]).framer(None)
    assert fixed.feed(b"\x01....\x02..") == []
    assert fixed.end() == []
    assert fixed.ignored == 1
    assert fixed.refused == {INCOMPLETE: 1}
    assert fixed.garbage_bytes == 5


def test_without_end_and_checksum_the_start_is_believed() -> None:
    fixed = FixedFraming(start=Hex(b"$"), length=4).framer(None)
    assert fixed.feed(b"..$123$456.") == [b"$123", b"$456"]


def test_garbage_without_a_start_is_not_kept() -> None:
    fixed = framer()
    for _ in range(100):
        assert fixed.feed(b"\x00" * 100_000) == []
    assert fixed.garbage_bytes == 10_000_000
    assert fixed.feed(GOOD) == [GOOD]


def test_mistakes() -> None:
    one = Marked(start=Hex(b"\xaa\xc0\x01"), length=10)
    assert [key for key, _ in Marked(start=Hex(), length=1, end=Hex(b"..")).mistakes()] == ["start", "length"]
    assert [key for key, _ in FixedFraming(start=Hex(DATA), length=9, ignore=[one]).mistakes()] == ["ignore[0].start"]


def test_refusal_of_a_frame_from_elsewhere() -> None:
    assert FRAMING.refusal(GOOD) is None
    assert FRAMING.refusal(GOOD[1:]) == "length"
    assert FRAMING.refusal(b"\x00" + GOOD[1:]) == "start"
    assert FRAMING.refusal(GOOD[:9] + b"\x00") == "end"
