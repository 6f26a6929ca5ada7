"""Which registers are asked for together: everything, within the limits, and no request without need."""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from collector.profiles.modbus.grouping import Span, group, split
from collector.profiles.modbus.pdu import Request

spans = st.lists(
    st.builds(Span, st.sampled_from([3, 4]), st.integers(0, 300), st.sampled_from([1, 2, 4])), min_size=1, max_size=40
)


def unwanted(request: Request, asked: list[Span]) -> list[int]:
    """Lengths of the stretches in a request that no span covers."""
    covered = {at for span in asked if span.within(request) for at in range(span.first, span.end)}
    stretches, length = [], 0
    for at in range(request.first, request.first + request.quantity):
        length = 0 if at in covered else length + 1
        if length == 1:
            stretches.append(1)
        elif length:
            stretches[-1] = length
    return stretches


@settings(deadline=None)
@given(spans, st.integers(4, 125), st.integers(0, 20))
def test_every_span_is_in_a_request_and_the_limits_hold(asked: list[Span], max_registers: int, max_gap: int) -> None:
    requests = group(asked, max_registers, max_gap)
    for span in asked:
        assert any(span.within(request) for request in requests)
    for request in requests:
        assert request.quantity <= max_registers
        assert all(length <= max_gap for length in unwanted(request, asked))


@settings(deadline=None)
@given(spans, st.integers(4, 125), st.integers(0, 20))
def test_two_requests_that_could_be_one_never_are_two(asked: list[Span], max_registers: int, max_gap: int) -> None:
    requests = group(asked, max_registers, max_gap)
    for one, other in pairwise(requests):
        if one.function == other.function:
            first = min(span for span in asked if span.within(other) and not span.within(one))
            gap = first.first - (one.first + one.quantity)
            assert gap > max_gap or first.end - one.first > max_registers


@settings(deadline=None)
@given(spans, st.integers(0, 20))
def test_splitting_comes_to_an_end_and_loses_only_what_was_refused_alone(asked: list[Span], max_gap: int) -> None:
    requests = group(asked, 125, max_gap)
    for _ in range(8):
        for request in requests:
            parts = split(request, asked)
            for span in asked:
                if span.within(request) and span.request() != request:
                    assert any(span.within(part) for part in parts)
        requests = list({part for request in requests for part in split(request, asked)})
    assert requests == []


def test_gaps_go_first() -> None:
    asked = [Span(4, 0, 2), Span(4, 2, 2), Span(4, 10, 2)]
    [whole] = group(asked, 60, 10)
    assert whole == Request(4, 0, 12)
    assert split(whole, asked) == [Request(4, 0, 4), Request(4, 10, 2)]
    assert split(Request(4, 0, 4), asked) == [Request(4, 0, 2), Request(4, 2, 2)]
    assert split(Request(4, 10, 2), asked) == []
