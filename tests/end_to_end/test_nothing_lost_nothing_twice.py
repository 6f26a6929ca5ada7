"""20,000 QoS 1 messages through everything that goes wrong: each arrives, under exactly one identity."""

import signal
import time
from pathlib import Path

import pytest

from tests.end_to_end.rig import Publisher, Rig, publish

N = 20_000
pytestmark = pytest.mark.slow


@pytest.mark.fault(23)
@pytest.mark.parametrize("format", ["reading", "batch"])
def test_uplink_broker_stopped_for_the_middle_third(tmp_path: Path, format: str) -> None:
    with Rig(tmp_path, format=format) as rig:
        publish(rig.devices.port, range(N // 3))
        rig.cloud.stop()
        publish(rig.devices.port, range(N // 3, 2 * N // 3))
        rig.cloud.start()
        publish(rig.devices.port, range(2 * N // 3, N))
        rig.check_exactly_once(N)


@pytest.mark.fault(4)
def test_daemon_terminated_and_started_again_in_the_outage(tmp_path: Path) -> None:
    with Rig(tmp_path) as rig:
        publish(rig.devices.port, range(N // 3))
        rig.cloud.stop()
        publisher = Publisher(rig.devices.port, range(N // 3, 2 * N // 3), rate=5_000)
        time.sleep(0.7)
        assert rig.daemon.end(signal.SIGTERM) == 0
        rig.daemon.start()
        rig.wait_ready()
        publisher.done()
        rig.cloud.start()
        publish(rig.devices.port, range(2 * N // 3, N))
        rig.check_exactly_once(N)


@pytest.mark.fault(1)
@pytest.mark.parametrize("format", ["reading", "batch"])
def test_eight_sigkills_with_a_slow_uplink_and_an_outage(tmp_path: Path, format: str) -> None:
    with Rig(tmp_path, format=format, delay=0.05) as rig:
        publisher = Publisher(rig.devices.port, range(N), rate=1_300)
        for kill in range(8):
            if kill == 3:
                rig.cloud.stop()
            if kill == 6:
                rig.cloud.start()
            time.sleep(1.1 + 0.13 * kill)
            rig.daemon.end(signal.SIGKILL)
            rig.daemon.start()
            rig.wait_ready()
        publisher.done()
        rig.check_exactly_once(N)
