"""The wall clock jumps, or passes a difficult moment, under a running daemon: nothing but the stamps takes note."""

import contextlib
import sqlite3
import time
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import pytest

from tests.end_to_end.rig import Publisher, Rig, publish, until

LIBRARIES = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
JUMPS = [31_536_000, -3600, 86_400 - int(time.time()), 0]
"""Seconds against the true time: a year ahead, an hour behind, on the second day of 1970, right again."""
N = 500
"""Messages before and after each jump."""
MOMENTS = {
    "summer time begins": "2027-03-28T01:00:00Z",
    "summer time ends": "2027-10-31T01:00:00Z",
    "2^31 seconds since 1970": "2038-01-19T03:14:08Z",
    "a leap second": "2028-12-31T23:59:59Z",
}
"""Where Berlin's clocks change; where 32 bits overflow; where Unix time repeats the last second of a year."""
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not LIBRARIES, reason="libfaketime is not installed (apt install faketime)"),
]


def jumping(directory: Path) -> tuple[Rig, Path]:
    """A rig, and the file that says how many seconds the daemon's wall clock is off."""
    wall = directory / "faketime"
    wall.write_text("+0")
    rig = Rig(directory)
    rig.daemon.environment |= {
        "LD_PRELOAD": str(LIBRARIES[0]),
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_TIMESTAMP_FILE": str(wall),
        "FAKETIME_NO_CACHE": "1",
    }
    return rig, wall


@pytest.mark.fault(20)
def test_jumps_lose_nothing_double_nothing_and_hold_nothing_up(tmp_path: Path) -> None:
    rig, wall = jumping(tmp_path)
    total = 2 * N * len(JUMPS)
    with rig:
        for steps, seconds in enumerate(JUMPS, 1):
            jump_in_an_outage(rig, wall, seconds, steps)
        books = rig.wait_drained(total)
        rig.wait_stored(total)
        assert set(rig.stored().values()) == {1}
        assert (books["remainder"], books["delivered"]) == (0, total)
        [seqs] = rig.identities().values()
        assert seqs == list(range(1, total + 1))
        with contextlib.closing(sqlite3.connect(rig.database)) as connection:
            rows = connection.execute("SELECT json_extract(fields, '$.n'), time FROM reading ORDER BY seq").fetchall()
    assert [number for number, _ in rows] == list(range(total))
    for steps, seconds in enumerate(JUMPS, 1):
        after_the_jump = rows[(2 * steps - 1) * N : 2 * steps * N]
        assert {round((ns / 1e9 - time.time() - seconds) / 600) for _, ns in after_the_jump} == {0}


def jump_in_an_outage(rig: Rig, wall: Path, seconds: int, steps: int) -> None:
    """Readings wait on both sides of the jump; returns when the broker was tried again, and is back."""

    def attempts() -> int:
        return int(rig.status()["sinks"]["cloud"]["attempts"]["unreachable"])

    done = 2 * N * (steps - 1)
    rig.wait_drained(done)
    rig.cloud.stop()
    publish(rig.devices.port, range(done, done + N))
    until(lambda: rig.ledger()["received"] == done + N, "the readings before the jump")
    until(lambda: rig.status()["sinks"]["cloud"]["state"] == "waiting", "the sink to be away")
    wall.write_text(f"{seconds:+d}")
    until(lambda: rig.status()["clock"]["steps"] >= steps, "the step to be noticed")
    publish(rig.devices.port, range(done + N, done + 2 * N))
    until(lambda: rig.ledger()["received"] == done + 2 * N, "the readings after the jump")
    status, before = rig.status(), attempts()
    assert status["clock"]["steps"] == steps
    assert status["sinks"]["cloud"]["ledger"]["pending"] == 2 * N
    assert status["sinks"]["cloud"]["backoff_seconds"] <= 1
    assert 0 <= status["spool"]["oldest_age_seconds"] < 60
    until(lambda: attempts() >= before + 2, "the next attempts", patience=10)
    rig.cloud.start()


@pytest.mark.fault(22)
def test_moments_that_a_calendar_makes_difficult(tmp_path: Path) -> None:
    """Stamps are UTC in a place that has summer time; each moment is passed with readings coming in."""
    count, rate = 400, 100
    rig, wall = jumping(tmp_path)
    rig.daemon.environment["TZ"] = "Europe/Berlin"
    with rig:
        for at, moment in enumerate(MOMENTS):
            steps = rig.status()["clock"]["steps"]
            ahead = datetime.fromisoformat(MOMENTS[moment]).timestamp() - time.time() - 4
            wall.write_text(f"{ahead:+.3f}")
            until(lambda steps=steps: rig.status()["clock"]["steps"] > steps, "the step to be noticed")
            time.sleep(max(0.0, wall.stat().st_mtime + 2.5 - time.time()))
            publisher = Publisher(rig.devices.port, range(at * count, (at + 1) * count), rate=rate)
            if moment == "a leap second":
                time.sleep(1.5)
                wall.write_text(f"{ahead - 1:+.3f}")
            publisher.done()
        rig.check_exactly_once(count * len(MOMENTS))
        with contextlib.closing(sqlite3.connect(rig.database)) as connection:
            times = [ns / 1e9 for (ns,) in connection.execute("SELECT time FROM reading ORDER BY seq")]
    for at, moment in enumerate(MOMENTS):
        stamps = [time - datetime.fromisoformat(MOMENTS[moment]).timestamp() for time in times[at * count :][:count]]
        assert -3 < stamps[0] < 0 < stamps[-1] < 10, moment
        back = [later - earlier for earlier, later in pairwise(stamps) if later < earlier]
        assert len(back) == (moment == "a leap second"), moment
        assert all(-1.6 < step < -0.3 for step in back), back
