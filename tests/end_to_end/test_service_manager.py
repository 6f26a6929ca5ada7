"""The whole daemon under a service manager: it starts, lives, reloads and ends, and says so."""

import itertools
import json
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.clouds import Web
from tests.end_to_end.rig import Publisher, Rig, publish, until
from tests.service.manager import ServiceManager


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[ServiceManager]:
    manager = ServiceManager(str(tmp_path / "notify"))
    yield manager
    manager.close()


def managed(rig: Rig, manager: ServiceManager, watchdog: float = 0.0) -> Rig:
    rig.daemon.environment |= manager.environment(watchdog)
    return rig


def log(rig: Rig) -> list[tuple[str, str]]:
    """Event and message of every line of the daemon's log."""
    lines = [json.loads(line) for line in rig.daemon.log.read_text().splitlines()]
    return [(line["event.action"], line["message"]) for line in lines]


def test_a_life_as_the_service_manager_sees_it(tmp_path: Path, manager: ServiceManager) -> None:
    with managed(Rig(tmp_path), manager, watchdog=0.6) as rig:
        publish(rig.devices.port, range(100))
        rig.wait_drained(100)
        manager.wait_for("WATCHDOG", len(manager.heard("WATCHDOG")) + 5)
        assert rig.daemon.end(signal.SIGTERM) == 0
    assert manager.heard("READY") == ["1"]
    (ready,), (stopping,) = manager.times("READY"), manager.times("STOPPING")
    assert min(manager.times("WATCHDOG")) >= ready, "a watchdog begins with READY=1"
    assert max(manager.times("WATCHDOG")) < stopping
    status = manager.heard("STATUS")
    assert "0 pending; sources 1 of 1 connected; sinks 1 of 1 connected" in status[-2]
    assert status[-1].startswith("ending: ")


@pytest.mark.fault(54)
def test_a_blocked_event_loop_feeds_no_watchdog(tmp_path: Path, manager: ServiceManager) -> None:
    """For twice as long as the watchdog waits; nobody ends it here, so that it goes on afterwards."""
    rig = managed(Rig(tmp_path), manager, watchdog=1.0)
    rig.daemon.command = [sys.executable, "-m", "tests.faults.failpoint"]
    rig.daemon.command.append("before collector.intake:SourceIntake.frames 1 2")
    with rig:
        manager.wait_for("WATCHDOG", 3)
        publish(rig.devices.port, range(10))
        rig.check_exactly_once(10)
        manager.wait_for("WATCHDOG", len(manager.heard("WATCHDOG")) + 1)
        longest = max(b - a for a, b in itertools.pairwise(manager.times("WATCHDOG")))
        assert longest > 1.5, "fed while nothing turned"


@pytest.mark.fault(46)
def test_a_new_sink_by_reload_under_load(tmp_path: Path, manager: ServiceManager) -> None:
    count = 4_000
    with Web(tmp_path / "web") as web, managed(Rig(tmp_path), manager) as rig:
        publisher = Publisher(rig.devices.port, range(count), rate=1_000)
        manager.wait_for("READY")
        until(lambda: rig.ledger()["delivered"] > 200, "readings on their way")
        rig.configuration.write_text(rig.configuration.read_text() + web.sink)
        asked = time.monotonic()
        rig.daemon.send(signal.SIGHUP)
        assert rig.daemon.wait(20) == 75
        ended = time.monotonic()
        rig.daemon.start()
        rig.wait_ready()
        manager.wait_for("READY", 3)
        back = manager.times("READY")[2]
        print(f"reload: {ended - asked:.2f} s to commit and end, {back - asked:.2f} s until READY=1 again")
        publisher.done()
        rig.check_exactly_once(count)
        books = rig.status()["sinks"]["web"]["ledger"]
        until(lambda: web.stored().total() == rig.status()["sinks"]["web"]["ledger"]["received"], "the new sink")
        assert 0 < books["received"] < count, "a sink has what came since it joined"
        assert set(web.stored().values()) == {1}
    assert [event for event, _ in log(rig) if event.startswith("daemon.")][:4] == [
        *("daemon.started", "daemon.reloading", "daemon.stopping", "daemon.started")
    ]
    told = [name for _, message in manager.messages for name in message if name in ("READY", "RELOADING", "STOPPING")]
    assert told[:5] == ["READY", "RELOADING", "READY", "STOPPING", "READY"]


@pytest.mark.fault(46)
def test_a_wrong_configuration_is_one_line_and_changes_nothing(tmp_path: Path, manager: ServiceManager) -> None:
    rig = managed(Rig(tmp_path), manager)
    # As from a service manager that was started with nohup itself.
    rig.daemon.command = ["sh", "-c", 'trap "" HUP; exec "$@"', "-", *rig.daemon.command]
    with rig:
        manager.wait_for("READY")
        epoch, good = rig.status()["epoch"], rig.configuration.read_text()
        rig.configuration.write_text(good.replace("topics =", "topicks =").replace("json-lines", "jason-lines"))
        rig.daemon.send(signal.SIGHUP)
        manager.wait_for("READY", 2)
        publish(rig.devices.port, range(50))
        rig.check_exactly_once(50)
        assert rig.status()["epoch"] == epoch
        (line,) = (message for event, message in log(rig) if event == "daemon.not_reloaded")
        assert "topicks" in line and "more, see: edge-collector check" in line
        assert "the configuration on disk is wrong" in manager.heard("STATUS")[-1]
        rig.configuration.write_text(good)
        rig.daemon.send(signal.SIGHUP)
        assert rig.daemon.wait(20) == 75, "mended, it is taken"
