import logging

from collector.log import events
from collector.log.rate import BURST, REFILL, RateLimit
from tests.log.records import record


class Turned:
    """A clock turned by hand."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def lost(source: str) -> logging.LogRecord:
    return record(events.SOURCE_LOST, "gone", source=source)


def test_a_burst_then_one_at_a_time_with_what_was_left_out() -> None:
    clock = Turned()
    limit = RateLimit(clock)
    assert [limit.admit(lost("air")) for _ in range(BURST + 5)] == [0] * BURST + [None] * 5
    clock.now += REFILL
    assert limit.admit(lost("air")) == 5
    assert limit.admit(lost("air")) is None
    clock.now += 1_000_000.0
    assert [limit.admit(lost("air")) for _ in range(BURST + 1)] == [1] + [0] * (BURST - 1) + [None]


def test_each_event_and_subject_has_its_own() -> None:
    limit = RateLimit(Turned())
    while limit.admit(lost("air")) is not None:
        pass
    assert limit.admit(lost("meter")) == 0
    assert limit.admit(record(events.SOURCE_CONNECTED, "back", source="air")) == 0
    assert limit.admit(record(None, "from a library")) == 0


def test_every_warning_of_a_configuration_is_told() -> None:
    limit = RateLimit(Turned())
    assert [limit.admit(record(events.CONFIG_WARNING, "w")) for _ in range(200)] == [0] * 200
