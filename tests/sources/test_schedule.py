"""Who is asked next: fair, spread, and not held up by the dead; with a clock that is turned by hand."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from collector.sources.schedule import MOST_BACKOFF, SPREAD, Schedule

intervals = st.lists(st.sampled_from([0.5, 1.0, 2.0, 10.0, 60.0, 3600.0]), min_size=1, max_size=32)


class Simulation:
    """A bus on which every question takes `cost` seconds, and one to the dead `dead_cost`."""

    def __init__(self, intervals: list[float], cost: float, dead: set[int], dead_cost: float) -> None:
        self.schedule = Schedule(intervals, 0.0)
        self.now = 0.0
        self.asked: list[tuple[float, int]] = []
        self._cost, self._dead, self._dead_cost = cost, dead, dead_cost

    def run(self, until: float) -> "Simulation":
        while True:
            place, due = self.schedule.next()
            self.now = max(self.now, due)
            if self.now >= until:
                return self
            self.asked.append((self.now, place))
            if place in self._dead:
                self.now += self._dead_cost
                self.schedule.failed(place, self.now)
            else:
                self.now += self._cost
                self.schedule.answered(place, self.now)
        return self


def test_the_first_questions_are_spread() -> None:
    asked = Simulation([10.0] * 10, 0.01, set(), 0).run(10.0).asked
    assert asked == [(float(place), place) for place in range(10)]
    slow = Simulation([3600.0] * 4, 0.01, set(), 0).run(3600.0).asked
    assert [at for at, _ in slow] == [0, SPREAD / 4, SPREAD / 2, SPREAD * 3 / 4]


def test_nothing_drifts() -> None:
    asked = Simulation([1.0, 1.0], 0.05, set(), 0).run(1000.0).asked
    assert asked[-2:] == [(999.0, 0), (999.5, 1)]


@settings(max_examples=50, deadline=None)
@given(intervals, st.floats(0.01, 2.0))
def test_none_starves_however_slow_the_bus_is(given_intervals: list[float], cost: float) -> None:
    """Each waits at most for every other once, and for the question that is under way."""
    asked = Simulation(given_intervals, cost, set(), 0).run(200.0).asked
    last: dict[int, float] = {}
    for at, place in asked:
        since = at - last.get(place, 0.0)
        first = min(given_intervals[place], SPREAD)
        allowed = (given_intervals[place] if place in last else first) + cost * (len(given_intervals) + 1)
        assert since <= allowed + 1e-6
        last[place] = at


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 32), st.data())
def test_the_dead_cost_their_time_out_only_now_and_then(count: int, data: st.DataObject) -> None:
    dead = data.draw(st.sets(st.integers(0, count - 1), min_size=1, max_size=count - 1))
    asked = Simulation([1.0] * count, 0.005, dead, 0.5).run(300.0).asked
    times = Counter(place for _, place in asked)
    for place in range(count):
        if place in dead:
            assert times[place] <= 4 + 300.0 / MOST_BACKOFF
        else:
            # One time-out of every dead device a minute, and some more at the beginning.
            assert times[place] >= 300 - 0.5 * len(dead) * (4 + 300.0 / MOST_BACKOFF) - 1


def test_what_is_to_be_asked_again_lets_others_go_first() -> None:
    schedule = Schedule([1.0, 1.0], 0.0)
    assert schedule.next() == (0, 0.0)
    schedule.again(0, 0.8)
    assert schedule.next() == (1, 0.5)
    schedule.answered(1, 0.6)
    assert schedule.next() == (0, 0.8)
    schedule.answered(0, 0.9)
    assert schedule.next() == (0, 1.0)


def test_it_is_silent_until_it_answers() -> None:
    schedule = Schedule([1.0], 0.0)
    schedule.failed(0, 0.5)
    assert schedule.silent(0)
    schedule.answered(0, 6.0)
    assert not schedule.silent(0)
