"""The wall clock jumps under a running daemon: nothing but the stamps takes note."""

import contextlib
import sqlite3
import time
from pathlib import Path

import pytest

from tests.end_to_end.rig import Rig, publish, until

LIBRARIES = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
JUMPS = [31_536_000, -3600, 86_400 - int(time.time()), 0]
"""Seconds against the true time: a year ahead, an hour behind, on the second day of 1970, right again."""
N = 500
"""Messages before and after each jump."""
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not LIBRARIES, reason="libfaketime is not installed (apt install faketime)"),
]


def test_jumps_lose_nothing_double_nothing_and_hold_nothing_up(tmp_path: Path) -> None:
    wall = tmp_path / "faketime"
    wall.write_text("+0")
    rig = Rig(tmp_path)
    rig.daemon.set(
        {
            "LD_PRELOAD": str(LIBRARIES[0]),
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_TIMESTAMP_FILE": str(wall),
            "FAKETIME_NO_CACHE": "1",
        }
    )
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
