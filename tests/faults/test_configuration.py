"""The configuration changed under a backlog, for better or worse."""

import signal
from pathlib import Path

import pytest

from tests.end_to_end.clouds import Web
from tests.end_to_end.rig import Rig, publish, until

N = 500


@pytest.mark.fault(46)
@pytest.mark.slow_fault
@pytest.mark.parametrize("mistake", ["not TOML", "no such profile", "unknown key"])
def test_a_mistake_stops_the_start_and_touches_nothing(tmp_path: Path, mistake: str) -> None:
    with Rig(tmp_path) as rig:
        rig.cloud.stop()
        publish(rig.devices.port, range(N))
        assert rig.daemon.end(signal.SIGTERM) == 0
        good = rig.configuration.read_text()
        bad = {
            "not TOML": good + "\n[[[",
            "no such profile": good.replace("json-lines", "jason-lines"),
            "unknown key": good.replace("topics =", "topicks ="),
        }[mistake]
        rig.configuration.write_text(bad)
        rig.daemon.start()
        assert rig.daemon.wait(20) == 2
        rig.configuration.write_text(good)
        rig.daemon.start()
        rig.wait_ready()
        rig.cloud.start()
        rig.check_exactly_once(N)


@pytest.mark.fault(46)
def test_a_sink_removed_with_a_backlog_keeps_it_until_it_is_back(tmp_path: Path) -> None:
    web = Web(tmp_path / "web")
    try:
        with Rig(tmp_path, extra=web.sink) as rig:
            publish(rig.devices.port, range(N))
            rig.wait_drained(N)
            assert rig.daemon.end(signal.SIGTERM) == 0
            both = rig.configuration.read_text()
            rig.configuration.write_text(both.replace(web.sink, ""))
            rig.daemon.start()
            rig.wait_ready()
            departed = rig.status()["sinks"]["web"]
            assert (departed["state"], departed["ledger"]["pending"]) == ("not configured any more", N)
            assert rig.daemon.end(signal.SIGTERM) == 0
            rig.configuration.write_text(both)
            web.program.start()
            rig.daemon.start()
            rig.wait_ready()
            until(lambda: rig.status()["sinks"]["web"]["ledger"]["delivered"] == N, "its backlog to be delivered")
            assert rig.status()["sinks"]["web"]["ledger"]["remainder"] == 0
            rig.check_exactly_once(N)
        assert web.stored().keys() == set(range(N))
        assert set(web.stored().values()) == {1}
    finally:
        web.program.close()
