"""The machine's clocks, and what counts as a new regime."""

import time

import pytest

from collector.clock import SystemClock


def test_wall_time_is_unix_time() -> None:
    assert abs(SystemClock().wall_ns() - time.time_ns()) < 1_000_000_000


def test_the_regime_holds_while_the_clock_runs_evenly() -> None:
    clock = SystemClock()
    regime = clock.regime()
    clock._checked = float("-inf")
    assert clock.regime() == regime
    assert clock.steps == 0


def test_a_step_begins_a_new_regime(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SystemClock()
    before = clock.regime()
    monkeypatch.setattr(clock, "_offset_ns", lambda: before.offset_ns + 3_600_000_000_000)
    clock._checked = float("-inf")
    after = clock.regime()
    assert after.offset_ns - before.offset_ns == 3_600_000_000_000
    assert clock.steps == 1


def test_synchronisation_begins_a_new_regime(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SystemClock()
    before = clock.regime()
    monkeypatch.setattr(clock, "synchronised", lambda: not before.synchronised)
    clock._checked = float("-inf")
    assert clock.regime().synchronised != before.synchronised
    assert clock.steps == 0


def test_the_kernel_is_asked_at_most_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SystemClock()
    asked: list[int] = []
    monkeypatch.setattr(clock, "synchronised", lambda: bool(asked.append(1)))
    for _ in range(100):
        clock.regime()
    assert len(asked) <= 2
