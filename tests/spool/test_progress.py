"""Progress against the plain set of positions it stands for."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from collector.spool.progress import Progress, complement, size, spans_of, union

positions = st.lists(st.integers(0, 30))
spans = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)))


def members(spans: list[tuple[int, int]]) -> set[int]:
    return {position for start, end in spans for position in range(start, end)}


@given(spans)
def test_union_keeps_the_positions_and_nothing_touches(spans: list[tuple[int, int]]) -> None:
    merged = union(spans)
    assert members(merged) == members(spans)
    assert all(a[1] < b[0] for a, b in pairwise(merged))


@given(spans, st.integers(0, 30))
def test_complement_is_the_rest(spans: list[tuple[int, int]], count: int) -> None:
    inside = union([(start, min(end, count)) for start, end in spans if start < count])
    assert members(complement(inside, count)) == set(range(count)) - members(inside)


@given(positions)
def test_single_positions_become_spans(positions: list[int]) -> None:
    assert members(spans_of(positions)) == set(positions)
    assert size(spans_of(positions)) == len(set(positions))


COUNT = 5
settlements = st.lists(
    st.tuples(st.integers(1, 6), st.lists(st.tuples(st.integers(0, COUNT), st.integers(0, COUNT)), max_size=3))
)


@given(settlements, st.lists(st.tuples(st.integers(1, 7), st.integers(1, 8)), max_size=2))
def test_settling_counts_each_reading_once(
    settlements: list[tuple[int, list[tuple[int, int]]]], skips: list[tuple[int, int]]
) -> None:
    """Six segments of five readings, settled in any order and again, some given up as a whole."""
    progress = Progress(low=0)
    wanted = {(id, at) for id in range(1, 7) for at in range(COUNT)}
    for id, spans in settlements:
        fresh = {(id, at) for at in members(spans)} & wanted
        assert progress.settle(id, COUNT, spans) == len(fresh)
        wanted -= fresh
    for ids in skips:
        progress.skip(ids)
        wanted -= {(id, at) for id, at in wanted if ids[0] <= id < ids[1]}
    assert {(id, at) for id in range(1, 7) for at in members(progress.missing(id, COUNT))} == wanted
    done = [id for id in range(1, 7) if not any(wanted_id == id for wanted_id, _ in wanted)]
    prefix = next((id for id in range(1, 8) if id not in done), 7) - 1
    assert progress.low >= prefix


def test_a_sink_that_left_wants_nothing_that_came_later() -> None:
    progress = Progress(low=3, left=5)
    assert progress.missing(4, 2) == [(0, 2)]
    assert progress.missing(5, 2) == []
