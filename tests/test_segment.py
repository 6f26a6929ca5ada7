"""Bodies that grow by appending decode as one; halves are always the same."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.clock import Regime
from collector.reading import Reading, rfc3339
from collector.segment import Part, Segment, decode, encode, join

numbers = st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
values = st.one_of(st.none(), st.booleans(), numbers, st.text())
readings = st.builds(
    Reading,
    seq=st.integers(0, 2**63),
    source=st.text(max_size=5),
    device=st.text(max_size=5),
    time_ns=st.integers(0, 2**62),
    clock=st.sampled_from(["synced", "unsynced"]),
    fields=st.dictionaries(st.text(max_size=5), values, max_size=4),
    suspect=st.none() | st.lists(st.text(max_size=3), max_size=2),
)


@given(st.lists(st.lists(readings, min_size=1, max_size=20), min_size=1, max_size=4))
def test_chunks_put_together_are_the_readings(chunks: list[list[Reading]]) -> None:
    pieces = [Segment(7, "e", 1, len(chunk), Regime("boot", 5, True), encode(chunk)) for chunk in chunks]
    assert decode(join(pieces).body) == [reading for chunk in chunks for reading in chunk]


def test_a_damaged_body_is_an_error() -> None:
    with pytest.raises(msgspec.DecodeError):
        decode(b'{"seq":1')


@given(st.lists(readings, min_size=1, max_size=20))
def test_taken_apart_and_joined_a_segment_is_the_same(many: list[Reading]) -> None:
    segment = Segment(7, "e", 100, len(many), Regime("boot", 5, True), encode(many))
    singles = [segment.only(at) for at in range(segment.count)]
    assert [(single.first_seq, single.readings()) for single in singles] == [
        (100 + at, [reading]) for at, reading in enumerate(many)
    ]
    assert join(singles) == segment


@given(st.integers(1, 500))
def test_halves_cover_everything_down_to_single_readings(count: int) -> None:
    segment = Segment(1, "e", 100, count, Regime("b", 0, True), b"")
    parts, singles = [Part(segment, 0, count)], []
    while parts:
        part = parts.pop()
        if part.hi - part.lo == 1:
            singles.append(part.first_seq)
        else:
            parts.extend(part.halves())
    assert sorted(singles) == list(range(100, 100 + count))


@given(st.integers(1, 500), st.data())
def test_what_is_left_of_a_split_goes_out_as_the_same_pieces(count: int, data: st.DataObject) -> None:
    segment = Segment(1, "e", 1, count, Regime("b", 0, True), b"")
    lo = data.draw(st.integers(0, count - 1))
    hi = data.draw(st.integers(lo + 1, count))
    pieces = Part(segment, lo, hi).within_halves()
    assert [at for piece in pieces for at in range(piece.lo, piece.hi)] == list(range(lo, hi))
    made, undivided = set(), [Part(segment, 0, count)]
    while undivided:
        part = undivided.pop()
        made.add(part)
        undivided += part.halves() if part.hi - part.lo > 1 else ()
    assert made.issuperset(pieces)
    assert Part(segment, 0, count).within_halves() == [Part(segment, 0, count)]


def test_times_are_utc_to_the_microsecond() -> None:
    assert rfc3339(1_763_910_245_123_456_789) == "2025-11-23T15:04:05.123456Z"
    assert rfc3339(0) == "1970-01-01T00:00:00.000000Z"
