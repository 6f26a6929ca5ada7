"""Back-off with seeded draws and a clock turned by hand."""

import random

from collector.backoff import STABLE, Backoff
from collector.config.units import Duration


class Hand:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_ceiling_doubles_up_to_the_maximum() -> None:
    backoff = Backoff(1.0, 10.0, now=Hand(), draw=lambda: 1.0)
    assert [backoff.failed() for _ in range(5)] == [2.0, 4.0, 8.0, 10.0, 10.0]


def test_delays_are_spread_over_the_whole_range() -> None:
    delays = []
    for seed in range(500):
        backoff = Backoff(1.0, 60.0, now=Hand(), draw=random.Random(seed).random)
        for _ in range(8):
            delay = backoff.failed()
        delays.append(delay)
    assert all(1.0 <= delay <= 60.0 for delay in delays)
    assert min(delays) < 5.0
    assert max(delays) > 55.0


def test_only_a_stable_minute_forgets_the_failures() -> None:
    hand = Hand()
    backoff = Backoff(1.0, 60.0, now=hand, draw=lambda: 1.0)
    backoff.failed()
    backoff.failed()
    backoff.succeeded()
    hand.now += STABLE - 1
    assert backoff.failed() == 8.0
    backoff.succeeded()
    hand.now += STABLE
    assert backoff.failed() == 2.0


def test_what_the_far_end_asks_for_is_honoured_up_to_the_maximum() -> None:
    backoff = Backoff(1.0, 60.0, now=Hand(), draw=lambda: 0.0)
    assert backoff.failed(at_least=30.0) == 30.0
    assert backoff.failed(at_least=1e9) == 60.0


def test_years_of_failures_do_not_overflow() -> None:
    backoff = Backoff(1.0, 60.0, now=Hand(), draw=lambda: 1.0)
    for _ in range(5000):
        assert backoff.failed() <= 60.0


def test_a_delay_is_a_plain_number_whatever_the_configuration_holds() -> None:
    """`/status` encodes it."""
    backoff = Backoff(Duration(1.0), Duration(2.0), now=Hand(), draw=lambda: 1.0)
    assert type(backoff.failed(at_least=120.0)) is float
