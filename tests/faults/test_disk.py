"""The disk below the spool: full, failing, read-only, slow, gone. Readings wait where they are, or the process ends."""

import contextlib
import json
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.clouds import archived
from tests.end_to_end.rig import Program, Publisher, Rig, publish, until
from tests.faults.disks import Ext4, fill, fill_inodes, mount, tmpfs, unmount
from tests.faults.faulty_disk import FaultyDisk
from tests.faults.line import Line

WINDOW = 1000
REJECT_NEW = '[spool]\nwhen_full = "reject-new"\n'
"""Nothing stored has to make room, on a full disk either: what is new waits at the broker."""


def probe(rig: Rig) -> int:
    """The status of /readyz; 0 where nobody answers."""
    try:
        return rig.get("/readyz")[0]
    except OSError:
        return 0


def ready(rig: Rig) -> bool:
    return probe(rig) == 200


def check_degraded(rig: Rig) -> None:
    """It lives, says that it is not ready and why, in one line."""
    until(lambda: probe(rig) == 503 or not rig.daemon.running, "/readyz to fail")
    assert rig.daemon.running
    assert rig.get("/livez")[0] == 200
    failed = [line for line in rig.get("/readyz?verbose")[1].splitlines() if line.startswith("[-]")]
    assert len(failed) == 1, failed


@contextlib.contextmanager
def without_uplink(rig: Rig) -> Iterator[Rig]:
    with rig:
        rig.cloud.stop()
        yield rig


@pytest.mark.fault(8)
def test_a_full_disk_keeps_messages_at_the_broker_until_there_is_room(tmp_path: Path) -> None:
    with tmpfs(tmp_path / "disk", "8m") as disk, without_uplink(Rig(tmp_path, data_dir=disk / "data")) as rig:
        filler = fill(disk)
        publish(rig.devices.port, range(3_000))
        until(lambda: rig.status()["sources"]["meter"]["unacknowledged"] >= WINDOW, "the window to be used up", 20)
        check_degraded(rig)
        filler.unlink()
        until(lambda: rig.status()["sources"]["meter"]["unacknowledged"] == 0, "everything to be committed", 20)
        until(lambda: ready(rig), "/readyz to pass")
        rig.cloud.start()
        rig.check_exactly_once(3_000)


@pytest.mark.fault(8)
def test_a_full_disk_is_drained(tmp_path: Path) -> None:
    with (
        tmpfs(tmp_path / "disk", "8m") as disk,
        without_uplink(Rig(tmp_path, data_dir=disk / "data", extra=REJECT_NEW)) as rig,
    ):
        publish(rig.devices.port, range(3_000))
        until(lambda: rig.status()["sources"]["meter"]["unacknowledged"] == 0, "everything to be committed", 20)
        filler = fill(disk)
        rig.cloud.start()
        publish(rig.devices.port, range(3_000, 6_000))
        rig.check_exactly_once(6_000)
        filler.unlink()
        assert rig.daemon.end(signal.SIGTERM) == 0
        rig.daemon.start()
        rig.wait_ready()
        rig.check_exactly_once(6_000)


@pytest.mark.fault(8)
@pytest.mark.slow_fault
def test_a_full_disk_with_a_line_that_cannot_wait(tmp_path: Path) -> None:
    """What a serial line says cannot be asked for again: beyond memory it is dropped, and counted."""
    count = 120_000
    with (
        Line(tmp_path / "line") as line,
        tmpfs(tmp_path / "disk", "8m") as disk,
        without_uplink(Rig(tmp_path, data_dir=disk / "data", extra=line.source("json-lines"))) as rig,
    ):
        until(lambda: rig.status()["sources"]["line"]["connected"], "the line")
        filler = fill(disk)
        for number in range(count):
            line.send(b'{"n":%d,"text":"%064d"}\n' % (number, number))
        until(lambda: rig.status()["sources"]["line"]["readings"] > 0, "readings")
        check_degraded(rig)
        filler.unlink()
        until(lambda: ready(rig), "/readyz to pass")
        rig.cloud.start()
        until(lambda: rig.ledger()["pending"] == 0, "everything to be delivered")
        books = rig.ledger()
        assert books["remainder"] == 0
        assert sum(books["dropped"].values()) > 0
        rig.wait_stored(books["delivered"])
        assert set(rig.stored().values()) == {1}


@pytest.mark.fault(8)
def test_a_file_that_readings_go_to_on_a_full_disk(tmp_path: Path) -> None:
    """Another disk than the spool's: the file waits for room, the other sinks do not wait for the file."""
    with tmpfs(tmp_path / "disk", "1m") as disk:
        file = f'[sinks.archive]\ntype = "file"\npath = "{disk}/readings.jsonl"\nbackoff = {{ max = "1s" }}\n'
        with Rig(tmp_path, extra=file) as rig:
            publish(rig.devices.port, range(500))
            rig.check_exactly_once(500)
            filler = fill(disk)
            publish(rig.devices.port, range(500, 1_500))
            rig.check_exactly_once(1_500)
            assert "No space left" in rig.status()["sinks"]["archive"]["last_error"]
            filler.unlink()
            until(lambda: rig.status()["sinks"]["archive"]["ledger"]["pending"] == 0, "the file to be written")
        written = Counter(line["fields"]["n"] for line in archived(disk / "readings.jsonl"))
        assert written == Counter(range(1_500))


@pytest.mark.fault(9)
@pytest.mark.slow_fault
def test_a_disk_that_fills_up_at_a_checkpoint(tmp_path: Path) -> None:
    """The WAL takes what the database file then has no room for. The oldest may have to go, counted."""
    with tmpfs(tmp_path / "disk", "6m") as disk, without_uplink(Rig(tmp_path, data_dir=disk / "data")) as rig:
        publish(rig.devices.port, range(16_000), padding=400)
        check_degraded(rig)
        rig.cloud.start()
        books = rig.wait_drained(16_000)
        assert (books["received"], books["remainder"]) == (16_000, 0)
        assert books["delivered"] + books["dropped"].get("full", 0) == 16_000
        rig.wait_stored(books["delivered"])
        stored = rig.stored()
        assert (len(stored), set(stored.values())) == (books["delivered"], {1})


@pytest.mark.fault(8)
@pytest.mark.slow_fault
def test_a_disk_that_the_spool_filled_up_itself(tmp_path: Path) -> None:
    """Without a ballast nothing can be deleted on it: what waits at the broker goes on through memory."""
    with (
        tmpfs(tmp_path / "disk", "5m") as disk,
        without_uplink(Rig(tmp_path, data_dir=disk / "data", extra=REJECT_NEW)) as rig,
    ):
        publish(rig.devices.port, range(25_000), padding=400)
        check_degraded(rig)
        rig.cloud.start()
        rig.check_exactly_once(25_000)


@pytest.mark.fault(9)
def test_started_on_a_full_disk_with_a_backlog(tmp_path: Path) -> None:
    """Without a ballast: what is there is delivered, what comes goes through memory, and `spool` answers."""
    with tmpfs(tmp_path / "disk", "5m") as disk, without_uplink(Rig(tmp_path, data_dir=disk / "data")) as rig:
        publish(rig.devices.port, range(1_000))
        until(lambda: rig.status()["sources"]["meter"]["unacknowledged"] == 0, "everything to be committed", 20)
        publish(rig.devices.port, range(1_000, 1_100))
        until(lambda: rig.ledger()["received"] == 1_100, "the last of them")
        rig.daemon.end(signal.SIGKILL)
        filler = fill(disk)
        (tmp_path / "asked").mkdir()
        stats = Program(tmp_path / "asked", "spool", "stats", "--json", "-c", str(rig.configuration))
        stats.start()
        assert stats.wait() == 0, stats.log.read_text()
        assert json.loads(stats.log.read_text().splitlines()[-1])["pending"] == 1_100
        filler.rename(disk / "more")
        fill(disk)
        rig.daemon.start()
        until(lambda: probe(rig) != 0, "the daemon")
        rig.cloud.start()
        publish(rig.devices.port, range(1_100, 2_000))
        rig.check_exactly_once(2_000)


@pytest.mark.fault(9)
@pytest.mark.slow_fault
def test_started_on_a_full_disk(tmp_path: Path) -> None:
    with tmpfs(tmp_path / "disk", "8m") as disk, Rig(tmp_path, data_dir=disk / "data") as rig:
        assert rig.daemon.end(signal.SIGTERM) == 0
        for file in (disk / "data").iterdir():
            file.unlink()
        filler = fill(disk)
        rig.daemon.log.write_text("")
        rig.daemon.start()
        check_degraded(rig)
        time.sleep(3)
        said = [line for line in rig.daemon.log.read_text().splitlines() if str(disk) in line]
        assert len(said) == 1, "a line an attempt"
        filler.unlink()
        until(lambda: ready(rig), "/readyz to pass")
        assert "collecting goes on" in rig.daemon.log.read_text()
        publish(rig.devices.port, range(100))
        rig.check_exactly_once(100)


@pytest.mark.fault(10)
@pytest.mark.slow_fault
@pytest.mark.parametrize("size", ["8M", "16M"], ids=["no ballast", "ballast"])
def test_no_inodes_left(tmp_path: Path, size: str) -> None:
    """Working on needs none. Starting needs one for the WAL, and takes the one of the ballast if there is a ballast."""
    with (
        Ext4(tmp_path / "disk", "-N", "32", size=size) as disk,
        without_uplink(Rig(tmp_path, data_dir=disk.at / "data")) as rig,
    ):
        ballast = (rig.data_dir / "ballast").exists()
        assert ballast == (size == "16M")
        publish(rig.devices.port, range(10))
        until(lambda: rig.status()["spool"]["commits"] > 0, "a commit")
        files = fill_inodes(disk.at)
        publish(rig.devices.port, range(10, 2_000))
        until(lambda: rig.status()["sources"]["meter"]["unacknowledged"] == 0, "everything to be committed", 20)
        assert rig.daemon.end(signal.SIGTERM) == 0
        files += fill_inodes(disk.at)
        rig.daemon.start()
        if ballast:
            rig.wait_ready()
        else:
            until(lambda: "no inodes" in rig.daemon.log.read_text(), "the reason to be told")
            check_degraded(rig)
            for file in files:
                file.unlink(missing_ok=True)
        until(lambda: ready(rig), "/readyz to pass")
        rig.cloud.start()
        rig.check_exactly_once(2_000)


@pytest.mark.fault(11, 12)
@pytest.mark.slow_fault
@pytest.mark.parametrize(("call", "often"), [("write", "once"), ("sync", "once"), ("sync", "always")])
def test_an_io_error_ends_the_process_with_nothing_lost(tmp_path: Path, call: str, often: str) -> None:
    """After a failed fsync the kernel takes the pages for clean, so a second one proves nothing."""
    rig = Rig(tmp_path)
    disk = FaultyDisk(tmp_path, tmp_path / "data", rig.daemon)
    with without_uplink(rig):
        publish(rig.devices.port, range(500))
        until(lambda: rig.status()["spool"]["commits"] > 0, "a commit")
        rig.daemon.log.write_text("")
        publisher = Publisher(rig.devices.port, range(500, 3_000), rate=1_000)
        time.sleep(0.5)
        disk.order(call, "EIO", often)
        assert rig.daemon.wait(30) == 1
        failed = [line for line in rig.daemon.log.read_text().splitlines() if "spool.sqlite3" in line]
        assert len(failed) == 1, failed
        disk.heal()
        rig.daemon.start()
        rig.wait_ready()
        publisher.done()
        rig.cloud.start()
        rig.check_exactly_once(3_000)


@pytest.mark.fault(13)
@pytest.mark.slow_fault
def test_a_disk_that_the_kernel_made_read_only(tmp_path: Path) -> None:
    """As errors=remount-ro does: ext4 aborts its journal, so the disk must be mounted afresh."""
    with (
        Ext4(tmp_path / "disk") as disk,
        without_uplink(Rig(tmp_path, data_dir=disk.at / "data")) as rig,
    ):
        publish(rig.devices.port, range(500))
        until(lambda: rig.status()["sources"]["meter"]["unacknowledged"] == 0, "everything to be committed")
        mount("-o", "remount,abort", disk.at)
        publish(rig.devices.port, range(500, 1_000))
        try:
            check_degraded(rig)
        finally:
            rig.daemon.close()
            unmount(disk.at)
            disk.mount()
        rig.daemon.start()
        rig.wait_ready()
        rig.cloud.start()
        rig.check_exactly_once(1_000)


@pytest.mark.fault(13)
@pytest.mark.slow_fault
def test_started_on_a_read_only_disk(tmp_path: Path) -> None:
    with (
        Ext4(tmp_path / "disk") as disk,
        without_uplink(Rig(tmp_path, data_dir=disk.at / "data")) as rig,
    ):
        publish(rig.devices.port, range(500))
        until(lambda: rig.status()["sources"]["meter"]["unacknowledged"] == 0, "everything to be committed")
        rig.daemon.end(signal.SIGKILL)
        disk.remount("ro")
        rig.daemon.start()
        check_degraded(rig)
        disk.remount("rw")
        until(lambda: ready(rig), "/readyz to pass")
        rig.cloud.start()
        rig.check_exactly_once(500)


@pytest.mark.fault(14)
@pytest.mark.slow_fault
def test_a_slow_disk_does_not_hold_up_the_event_loop(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    disk = FaultyDisk(tmp_path, tmp_path / "data", rig.daemon)
    with without_uplink(rig):
        disk.order("sync", "2000")
        publisher = Publisher(rig.devices.port, range(6_000), rate=1_500)
        for _ in range(20):
            asked = time.monotonic()
            assert rig.get("/livez")[0] == 200
            assert time.monotonic() - asked < 1.0, "the disk blocks the event loop"
            time.sleep(0.3)
        publisher.done()
        disk.heal()
        rig.cloud.start()
        rig.check_exactly_once(6_000)


@pytest.mark.fault(18)
@pytest.mark.slow_fault
def test_a_database_that_somebody_has_locked(tmp_path: Path) -> None:
    """While the daemon runs nobody can; at its start somebody may have been first, for longer than SQLite waits."""
    with without_uplink(Rig(tmp_path)) as rig:
        publish(rig.devices.port, range(100))
        until(lambda: rig.status()["spool"]["commits"] > 0, "a commit")
        with (
            contextlib.closing(sqlite3.connect(rig.data_dir / "spool.sqlite3", timeout=0.1)) as somebody,
            pytest.raises(sqlite3.OperationalError, match="locked"),
        ):
            somebody.execute("BEGIN IMMEDIATE")
        assert rig.daemon.end(signal.SIGTERM) == 0
        with contextlib.closing(sqlite3.connect(rig.data_dir / "spool.sqlite3", isolation_level=None)) as somebody:
            somebody.execute("BEGIN IMMEDIATE")
            rig.daemon.start()
            publish(rig.devices.port, range(100, 3_000))
            until(lambda: "locked by another program" in rig.daemon.log.read_text(), "the lock to be noticed")
            check_degraded(rig)
            somebody.execute("ROLLBACK")
        until(lambda: ready(rig), "/readyz to pass")
        rig.cloud.start()
        rig.check_exactly_once(3_000)


@pytest.mark.fault(19)
@pytest.mark.slow_fault
def test_a_disk_that_was_taken_away(tmp_path: Path) -> None:
    """Detached, it still takes what is written through descriptors that are open; the next start needs it back."""
    with (
        Ext4(tmp_path / "disk") as disk,
        without_uplink(Rig(tmp_path, data_dir=disk.at / "data")) as rig,
    ):
        publish(rig.devices.port, range(500))
        until(lambda: rig.status()["sources"]["meter"]["unacknowledged"] == 0, "everything to be committed")
        unmount(disk.at, "-l")
        publish(rig.devices.port, range(500, 1_000))
        time.sleep(1)
        if rig.daemon.running:
            rig.daemon.send(signal.SIGTERM)
        assert rig.daemon.wait(20) in (0, 1)
        disk.mount()
        rig.daemon.start()
        rig.wait_ready()
        rig.cloud.start()
        rig.check_exactly_once(1_000)
