"""What the service manager hears, and when, with a clock turned by hand."""

from typing import cast

import pytest

from collector.lifecycle import EXTENSION, LIMIT, SPEAK, Lifecycle
from collector.pipeline import Pipeline
from collector.service.notify import Notifier
from collector.status.report import Check, Report
from tests.spool.clock import HandClock
from tests.status.reports import busy_report


class Ears(Notifier):
    """Hears everything, except while deaf."""

    def __init__(self, watchdog: float = 0.0) -> None:
        super().__init__(watchdog=watchdog)
        self.heard: list[dict[str, str | int]] = []
        self.deaf = False

    def tell(self, **assignments: str | int) -> bool:
        if not self.deaf:
            self.heard.append(assignments)
        return not self.deaf

    def take(self) -> dict[str, str | int]:
        """All assignments since the last time, in one."""
        heard = {name: value for message in self.heard for name, value in message.items()}
        self.heard.clear()
        return heard


class Stage:
    """The part of a pipeline that is looked at."""

    def __init__(self) -> None:
        self.started = False
        self.alive = True
        self.on_disk = False
        self.shown = busy_report()

    def report(self) -> Report:
        return self.shown


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def stage() -> Stage:
    return Stage()


@pytest.fixture
def ears() -> Ears:
    return Ears(watchdog=30.0)


@pytest.fixture
def lifecycle(ears: Ears, clock: HandClock, stage: Stage) -> Lifecycle:
    return Lifecycle(ears, clock, lambda: cast(Pipeline, stage))


def test_ready_is_told_once_and_only_when_it_has_started(
    lifecycle: Lifecycle, ears: Ears, stage: Stage, clock: HandClock
) -> None:
    lifecycle.look()
    assert "READY" not in ears.take()
    stage.started = True
    ears.deaf = True
    lifecycle.look()
    ears.deaf = False
    lifecycle.look()
    assert ears.take()["READY"] == 1, "said again to a manager that could not hear"
    clock.now += SPEAK
    lifecycle.look()
    assert "READY" not in ears.take()


def test_the_watchdog_is_fed_in_time_and_only_while_there_is_life(
    lifecycle: Lifecycle, ears: Ears, stage: Stage, clock: HandClock
) -> None:
    stage.started = True
    lifecycle.look()
    assert ears.take()["WATCHDOG"] == 1
    clock.now += ears.watchdog / 3
    lifecycle.look()
    assert ears.take()["WATCHDOG"] == 1
    stage.alive = False
    for _ in range(5):
        clock.now += ears.watchdog / 3
        lifecycle.look()
    heard = ears.take()
    assert "WATCHDOG" not in heard and "STATUS" in heard


def test_time_is_asked_for_while_the_disk_is_at_work_and_not_for_ever(
    lifecycle: Lifecycle, ears: Ears, stage: Stage, clock: HandClock
) -> None:
    lifecycle.look()
    assert "EXTEND_TIMEOUT_USEC" not in ears.take(), "who only waits need not wait longer"
    stage.on_disk = True
    began, asked_at = clock.now, clock.now
    while clock.now < began + LIMIT["starting"] - SPEAK:
        clock.now += SPEAK
        lifecycle.look()
        if "EXTEND_TIMEOUT_USEC" in (heard := ears.take()):
            assert clock.now - asked_at < EXTENSION, "it would have been ended meanwhile"
            assert heard["EXTEND_TIMEOUT_USEC"] == EXTENSION * 1e6
            asked_at = clock.now
    clock.now = began + LIMIT["starting"]
    lifecycle.look()
    assert "EXTEND_TIMEOUT_USEC" not in ears.take()


def test_a_stop_asks_for_time_anew(lifecycle: Lifecycle, ears: Ears, stage: Stage, clock: HandClock) -> None:
    stage.started = True
    lifecycle.look()
    clock.now += 30 * 86400
    ears.take()
    stage.on_disk = True
    lifecycle.ending()
    heard = ears.take()
    assert heard["STOPPING"] == 1 and "EXTEND_TIMEOUT_USEC" in heard and "WATCHDOG" not in heard
    lifecycle.ending()
    assert ears.take() == {}


def test_a_refused_reload_is_announced_and_taken_back(lifecycle: Lifecycle, ears: Ears, stage: Stage) -> None:
    lifecycle.reloading()
    assert ears.take() == {}, "nothing to reload before it is ready"
    stage.started = True
    lifecycle.look()
    ears.take()
    lifecycle.reloading()
    heard = ears.take()
    assert heard["RELOADING"] == 1 and int(heard["MONOTONIC_USEC"]) > 0  # sd_notify(3): both, since systemd 253
    lifecycle.reloaded("the configuration on disk is wrong and not in force")
    heard = ears.take()
    assert heard["READY"] == 1
    assert str(heard["STATUS"]).endswith("the configuration on disk is wrong and not in force")


def test_the_end_of_a_reload_is_said_again_to_a_manager_that_could_not_hear(
    lifecycle: Lifecycle, ears: Ears, stage: Stage
) -> None:
    """Else it takes the reload as going on until it times out."""
    stage.started = True
    lifecycle.look()
    lifecycle.reloading()
    ears.take()
    ears.deaf = True
    lifecycle.reloaded()
    ears.deaf = False
    lifecycle.look()
    assert ears.take()["READY"] == 1
    lifecycle.look()
    assert "READY" not in ears.take()


def test_the_status_is_what_a_person_wants_to_see(
    lifecycle: Lifecycle, ears: Ears, stage: Stage, clock: HandClock
) -> None:
    lifecycle.look()
    assert str(ears.take()["STATUS"]).startswith("starting: ")
    stage.started = True
    lifecycle.look()
    ears.take()
    stage.shown.sources["zigbee"].readings += 25
    clock.now += SPEAK
    lifecycle.look()
    assert ears.take()["STATUS"] == (
        "2.5 readings/s, 42 pending; sources 1 of 2 connected (air waiting); sinks 1 of 2 connected (backup held)"
    )
    stage.shown.ready = [Check("spool", False, "/data: read-only")]
    clock.now += SPEAK
    lifecycle.look()
    assert str(ears.take()["STATUS"]).startswith("/data: read-only; ")


async def test_nobody_listens_and_nothing_runs(clock: HandClock, stage: Stage) -> None:
    await Lifecycle(Notifier(), clock, lambda: cast(Pipeline, stage)).run()
