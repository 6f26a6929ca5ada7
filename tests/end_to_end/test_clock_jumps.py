"""The wall clock jumps under a running daemon: nothing but the stamps takes note."""

import contextlib
import sqlite3
import time
from pathlib import Path

import pytest

from tests.end_to_end.rig import Publisher, Rig, until

LIBRARIES = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
JUMPS = ["+31536000", "-3600", f"-{int(time.time()) - 86_400}", "+0"]
"""Seconds against the true time: a year ahead, an hour behind, on the second day of 1970, right again."""
N = 3_000
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
    with rig:
        publisher = Publisher(rig.devices.port, range(N), rate=300)
        for steps, offset in enumerate(JUMPS, 1):
            rig.wait_stored(N * steps // 6)
            jump_in_an_outage(rig, wall, offset, steps)
        publisher.done()
        books = rig.wait_drained(N)
        rig.wait_stored(N)
        assert set(rig.stored().values()) == {1}
        assert (books["remainder"], books["delivered"]) == (0, N)
        [seqs] = rig.identities().values()
        assert seqs == list(range(1, N + 1))
        with contextlib.closing(sqlite3.connect(rig.database)) as connection:
            rows = connection.execute("SELECT json_extract(fields, '$.n'), time FROM reading ORDER BY seq").fetchall()
    assert [number for number, _ in rows] == list(range(N))
    days = {round((ns / 1e9 - time.time()) / 86_400) for _, ns in rows}
    assert {0, 365} <= days, "the stamps did follow"
    assert min(ns for _, ns in rows) < 2 * 86_400 * 10**9


def jump_in_an_outage(rig: Rig, wall: Path, offset: str, steps: int) -> None:
    """Returns when the daemon has counted the step and tried the broker again; then the broker is back."""

    def attempts() -> int:
        return int(rig.status()["sinks"]["cloud"]["attempts"]["unreachable"])

    rig.cloud.stop()
    until(lambda: rig.status()["sinks"]["cloud"]["state"] == "waiting", "the sink to be away")
    wall.write_text(offset)
    until(lambda: rig.status()["clock"]["steps"] >= steps, "the step to be noticed")
    status, before = rig.status(), attempts()
    assert status["clock"]["steps"] == steps
    assert status["sinks"]["cloud"]["backoff_seconds"] <= 1
    assert status["spool"]["oldest_age_seconds"] < 60
    until(lambda: attempts() >= before + 2, "the next attempts", patience=10)
    rig.cloud.start()
