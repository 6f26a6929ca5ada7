"""The spool's own files damaged, foreign, of another version, or wanted by two."""

import contextlib
import os
import re
import shutil
import signal
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.end_to_end.rig import Program, Rig, publish, until

N = 3_000


def with_backlog(rig: Rig) -> Path:
    """Ends the daemon by SIGTERM with N readings in the database, which is returned."""
    rig.cloud.stop()
    publish(rig.devices.port, range(N), padding=50)
    until(lambda: rig.status()["sources"]["meter"]["unacknowledged"] == 0, "everything to be committed")
    assert rig.daemon.end(signal.SIGTERM) == 0
    return rig.data_dir / "spool.sqlite3"


def check_counted(rig: Rig, new: int) -> int:
    """All that was not delivered is counted as damaged, and the rest is there once; returns how much was lost.

    `new` readings came after the damage, beginning with number N.
    """
    until(lambda: rig.status()["sources"]["meter"]["unacknowledged"] == 0, "everything to be acknowledged")
    until(lambda: rig.ledger()["pending"] == 0, "the backlog to drain")
    books = rig.ledger()
    assert books["remainder"] == 0
    assert books["received"] == books["delivered"] + sum(books["dropped"].values())
    assert books["dropped"].keys() <= {"damaged"}
    rig.wait_stored(books["delivered"])
    stored = rig.stored()
    assert set(stored.values()) == {1}
    assert stored.keys() >= set(range(N, N + new)), "what came afterwards is lost"
    lost = len(set(range(N + new)) - stored.keys())
    assert lost == books["dropped"].get("damaged", 0)
    for epoch, seqs in rig.identities().items():
        assert len(seqs) == len(set(seqs)), f"an identity twice in {epoch}"
    return lost


@pytest.mark.fault(15)
@pytest.mark.slow_fault
def test_a_flipped_bit_costs_one_segment_and_is_counted(tmp_path: Path) -> None:
    with Rig(tmp_path) as rig:
        database = with_backlog(rig)
        with contextlib.closing(sqlite3.connect(database)) as connection:
            [body, count] = connection.execute(
                "SELECT body, count FROM segment ORDER BY id LIMIT 1 OFFSET 1"
            ).fetchone()
        data = bytearray(database.read_bytes())
        # Only the beginning of a large body surely lies in one piece; SQLite leaves stale copies of what it moves.
        for found in re.finditer(re.escape(body[:200]), data):
            data[found.start() + 100] ^= 0x10
        database.write_bytes(data)
        rig.daemon.start()
        rig.wait_ready()
        rig.cloud.start()
        assert check_counted(rig, 0) == count


def zero_a_page(database: Path) -> None:
    """A leaf of the table of segments, in its middle."""
    # A copy: a running daemon has the file locked.
    shutil.copy(database, copy := database.with_suffix(".copy"))
    with contextlib.closing(sqlite3.connect(copy)) as connection:
        leaves = "SELECT pageno FROM dbstat WHERE name = 'segment' AND pagetype = 'leaf' ORDER BY path"
        pages = [page for (page,) in connection.execute(leaves)]
    copy.unlink()
    with database.open("r+b") as file:
        file.seek((pages[len(pages) // 2] - 1) * 4096)
        file.write(bytes(4096))


def cut_in_half(database: Path) -> None:
    os.truncate(database, database.stat().st_size // 4096 // 2 * 4096)


def wipe_the_header(database: Path) -> None:
    with database.open("r+b") as file:
        file.write(bytes(100))


def empty(database: Path) -> None:
    os.truncate(database, 0)


def replace(database: Path) -> None:
    database.unlink()
    with contextlib.closing(sqlite3.connect(database)) as connection:
        connection.execute("CREATE TABLE somebody (x)")


DAMAGES = [zero_a_page, cut_in_half, wipe_the_header, empty, replace]


@pytest.mark.fault(16)
@pytest.mark.slow_fault
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_database_goes_into_quarantine(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    with Rig(tmp_path) as rig:
        database = with_backlog(rig)
        damage(database)
        rig.daemon.start()
        rig.wait_ready()
        rig.cloud.start()
        publish(rig.devices.port, range(N, N + 500))
        lost = check_counted(rig, 500)
        if damage is zero_a_page:
            assert lost < N, "nothing was salvaged"
        if damage is not empty:
            assert any((rig.data_dir / "quarantine").iterdir())


@pytest.mark.fault(16)
@pytest.mark.slow_fault
@pytest.mark.parametrize("damage", [zero_a_page, wipe_the_header])
def test_a_database_damaged_while_in_use(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    """Found when the backlog is read: the process is the same before and after."""
    with Rig(tmp_path) as rig:
        database = with_backlog(rig)
        rig.daemon.start()
        rig.wait_ready()
        pid = rig.daemon.pid
        damage(database)
        rig.cloud.start()
        publish(rig.devices.port, range(N, N + 500))
        check_counted(rig, 500)
        assert rig.daemon.running
        assert rig.daemon.pid == pid


@pytest.mark.fault(17)
@pytest.mark.slow_fault
def test_the_wal_deleted_after_a_crash(tmp_path: Path) -> None:
    with Rig(tmp_path) as rig:
        with_backlog(rig)
        rig.daemon.start()
        rig.wait_ready()
        publish(rig.devices.port, range(N, N + 200))
        until(lambda: rig.status()["sources"]["meter"]["unacknowledged"] == 0, "everything to be committed")
        rig.daemon.end(signal.SIGKILL)
        (rig.data_dir / "spool.sqlite3-wal").unlink()
        rig.daemon.start()
        rig.wait_ready()
        rig.cloud.start()
        # What the WAL alone held is in the tail journal as well.
        rig.check_exactly_once(N + 200)


@pytest.mark.fault(17)
@pytest.mark.slow_fault
def test_a_foreign_shared_memory_file(tmp_path: Path) -> None:
    """Nobody looks at it: the lock is exclusive, so the index of the WAL lies in the daemon's own memory."""
    with Rig(tmp_path) as rig:
        database = with_backlog(rig)
        database.with_name("spool.sqlite3-shm").write_bytes(os.urandom(32768))
        rig.daemon.start()
        rig.wait_ready()
        rig.cloud.start()
        rig.check_exactly_once(N)


@pytest.mark.fault(47)
def test_a_newer_schema_is_left_alone_and_the_backlog_waits(tmp_path: Path) -> None:
    with Rig(tmp_path) as rig:
        database = with_backlog(rig)
        with contextlib.closing(sqlite3.connect(database)) as connection:
            [version] = connection.execute("PRAGMA user_version").fetchone()
            connection.execute("PRAGMA user_version = 99")
        rig.daemon.log.write_text("")
        rig.daemon.start()
        assert rig.daemon.wait(20) == 2
        assert len(rig.daemon.log.read_text().splitlines()) == 1
        with contextlib.closing(sqlite3.connect(database)) as connection:
            connection.execute(f"PRAGMA user_version = {version}")
        rig.daemon.start()
        rig.wait_ready()
        rig.cloud.start()
        rig.check_exactly_once(N)


@pytest.mark.fault(53)
def test_a_second_daemon_on_the_same_directory_leaves_the_first_alone(tmp_path: Path) -> None:
    with Rig(tmp_path) as rig:
        publish(rig.devices.port, range(100))
        (tmp_path / "second").mkdir()
        second = Program(tmp_path / "second", "run", "-c", str(rig.configuration))
        second.start()
        assert second.wait(20) == 1
        [line] = second.log.read_text().splitlines()
        assert "in use by another edge-collector" in line
        publish(rig.devices.port, range(100, 200))
        rig.check_exactly_once(200)
