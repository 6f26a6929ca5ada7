"""Descriptors, connections and backlogs in excess."""

import asyncio
import contextlib
import resource
import socket
import time
from pathlib import Path

import pytest

from collector.clock import SystemClock
from collector.config.model import SpoolSection
from collector.reading import Reading
from collector.spool.spool import Spool
from tests.end_to_end.rig import Rig, publish, until
from tests.faults.test_input import MEMORY, largest


def descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


@pytest.mark.fault(49)
def test_no_descriptors_left(tmp_path: Path) -> None:
    """Both brokers go and come back while nothing can be opened; nothing leaks, and all goes on afterwards."""
    with Rig(tmp_path) as rig:
        publish(rig.devices.port, range(500))
        rig.wait_drained(500)
        pid = rig.daemon.pid
        before = descriptors(pid)
        _, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        rig.cloud.stop()
        rig.devices.stop()
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, hard))
        rig.cloud.start()
        rig.devices.start()
        publish(rig.devices.port, range(500, 1_000))
        time.sleep(3)
        assert rig.daemon.running
        assert descriptors(pid) <= before
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (hard, hard))
        until(lambda: status_answers(rig), "the status page")
        rig.check_exactly_once(1_000)
        until(lambda: descriptors(pid) <= before + 2, "no descriptor to be left over")


def status_answers(rig: Rig) -> bool:
    with contextlib.suppress(OSError):
        return rig.get("/livez")[0] == 200
    return False


@pytest.mark.fault(51)
@pytest.mark.slow_fault
def test_clients_of_the_status_page_that_never_finish(tmp_path: Path) -> None:
    """Half a request on each of 300 connections: readings flow, and whoever asks properly is answered."""
    with Rig(tmp_path) as rig, contextlib.ExitStack() as clients:
        for at in range(300):
            client = socket.create_connection(("127.0.0.1", rig.status_port), timeout=5)
            clients.enter_context(client)
            client.sendall(b"GET /status HTTP/1.1\r\n"[: at % 22])
        publish(rig.devices.port, range(1_000))
        rig.check_exactly_once(1_000)
        assert largest(rig.daemon.pid) < MEMORY


def seed_backlog(data_dir: Path, count: int) -> None:
    """What a daemon that read {"n": number} would leave for the sink `cloud`."""

    async def fill() -> None:
        section = SpoolSection()
        spool = await Spool.open(
            section,
            data_dir,
            SystemClock(),
            sinks=["cloud"],
            windows={},
            on_safe=lambda through: None,
            on_held_back=lambda crowded: None,
        )
        for start in range(0, count, 500):
            readings = [Reading(0, "meter", "1", 1, "synced", {"n": n}) for n in range(start, start + 500)]
            spool.append("meter", readings, [], 5_000)
            if start % 50_000 == 0:
                await spool.commit()
        await spool.close()

    asyncio.run(fill())


@pytest.mark.fault(52)
@pytest.mark.slow_fault
@pytest.mark.timeout(300)
def test_a_backlog_of_a_million_readings(tmp_path: Path) -> None:
    """Drained in bounded memory, while what is new goes on coming in."""
    backlog, new = 1_000_000, 2_000
    rig = Rig(tmp_path, format="batch")
    seed_backlog(rig.data_dir, backlog)
    with rig:
        publish(rig.devices.port, range(backlog, backlog + new))
        until(lambda: rig.ledger()["pending"] == 0, "the backlog to drain", 200)
        rig.check_exactly_once(backlog + new)
        assert largest(rig.daemon.pid) < MEMORY
