"""The machine's clocks, and what counts as a new regime."""

import os
import time
from pathlib import Path

import pytest

from collector.clock import SystemClock

SECOND = 1_000_000_000
HOUR = 3600 * SECOND


def look(clock: SystemClock) -> None:
    """As a second later."""
    clock._checked = float("-inf")
    clock.look()


def test_wall_time_is_unix_time() -> None:
    assert abs(SystemClock().wall_ns() - time.time_ns()) < 1_000_000_000


def test_the_regime_holds_while_the_clock_runs_evenly() -> None:
    clock = SystemClock()
    regime = clock.regime()
    look(clock)
    assert clock.regime() == regime
    assert clock.steps == 0


def test_a_step_begins_a_new_regime(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SystemClock()
    before = clock.regime()
    monkeypatch.setattr(clock, "_offset_ns", lambda: before.offset_ns + 3_600_000_000_000)
    look(clock)
    after = clock.regime()
    assert after.offset_ns - before.offset_ns == 3_600_000_000_000
    assert clock.steps == 1


def test_synchronisation_begins_a_new_regime(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SystemClock()
    before = clock.regime()
    monkeypatch.setattr(clock, "synchronised", lambda: not before.synchronised)
    look(clock)
    assert clock.regime().synchronised != before.synchronised
    assert clock.steps == 0


def test_the_kernel_is_asked_at_most_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SystemClock()
    asked: list[int] = []
    monkeypatch.setattr(clock, "synchronised", lambda: bool(asked.append(1)))
    for _ in range(100):
        clock.look()
    assert len(asked) <= 2


@pytest.mark.parametrize(("age", "synchronised"), [(60.0, True), (40_000.0, False), (None, False)])
def test_a_kernel_that_may_not_be_asked_leaves_timesyncd(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, age: float | None, synchronised: bool
) -> None:
    said = tmp_path / "synchronized"
    if age is not None:
        said.touch()
        os.utime(said, (time.time() - age,) * 2)
    monkeypatch.setattr("collector.clock.TIMESYNCD_SAID", said)
    clock = SystemClock()
    monkeypatch.setattr(clock, "_adjtimex", lambda _: -1)
    assert clock.synchronised() == synchronised


@pytest.mark.parametrize("synchronised", [True, False])
def test_unsynchronised_stamps_lie_in_their_regime_whatever_the_wall_clock_does(
    monkeypatch: pytest.MonkeyPatch, synchronised: bool
) -> None:
    monkeypatch.setattr(SystemClock, "synchronised", lambda self: synchronised)
    clock = SystemClock()
    clock.look()
    real = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: real() + HOUR)
    by_its_regime = clock.regime().offset_ns + int(clock.since_boot() * 1e9)
    unseen = clock.wall_ns() - by_its_regime
    assert abs(unseen - (HOUR if synchronised else 0)) < SECOND
    look(clock)
    assert abs(clock.regime().offset_ns + int(clock.since_boot() * 1e9) - by_its_regime - HOUR) < SECOND
    assert abs(clock.wall_ns() - by_its_regime - HOUR) < SECOND
