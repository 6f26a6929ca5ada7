"""Databases that cannot be read, or not be written: what is put aside, what is salvaged, and what is counted."""

import contextlib
import getpass
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from collector.contracts import Outcome
from collector.errors import DiskUnavailable, SpoolDamaged, SpoolError, SpoolRefused
from collector.spool import letters, quarantine, recovery
from collector.spool.database import PAGE, Database
from tests.spool.rig import Rig, values

CAPTURED = Path(__file__).parent / "captured"


async def fill(rig: Rig, segments: int, readings: int = 40) -> None:
    """Stored segments of bodies that do not compress to nothing."""
    rig.spool.ready("cloud", False)
    for at in range(segments):
        rig.append(range(at * readings, (at + 1) * readings))
        await rig.spool.commit()


async def drained(rig: Rig) -> list[int]:
    """Everything the sink still wants."""
    rig.spool.ready("cloud", True)
    rig.spool.flush()
    got: list[int] = []
    books = rig.spool.tail.state.sinks["cloud"]
    while books.pending:
        rig.spool.flush()
        got += [value for segment in await rig.deliver() for value in values(segment)]
    return got


def database(rig: Rig) -> Path:
    return rig.directory / "spool.sqlite3"


def set_aside(rig: Rig) -> list[str]:
    return sorted(file.name for file in (rig.directory / "quarantine").glob("*/*"))


def zero_page_of_a_segment(rig: Rig) -> None:
    """The leaf in the middle of the table."""
    with contextlib.closing(sqlite3.connect(database(rig))) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
    with database(rig).open("r+b") as file:
        for page in range(4, pages):
            file.seek(page * PAGE)
            if file.read(1) == b"\x0d":  # a table's leaf
                file.seek(page * PAGE)
                file.write(bytes(PAGE))
                return


def zero_header(rig: Rig) -> None:
    with database(rig).open("r+b") as file:
        file.write(bytes(100))


def foreign(rig: Rig) -> None:
    database(rig).unlink()
    with contextlib.closing(sqlite3.connect(database(rig))) as connection:
        connection.executescript("CREATE TABLE segment (id INTEGER PRIMARY KEY, x); INSERT INTO segment VALUES (1, 2)")


def text(rig: Rig) -> None:
    database(rig).write_bytes(b"not a database at all " * 500)


def truncated(rig: Rig) -> None:
    os.truncate(database(rig), database(rig).stat().st_size // 2 // PAGE * PAGE)


def no_table(rig: Rig) -> None:
    rig.alter("DROP TABLE dead")


def no_state(rig: Rig) -> None:
    rig.alter("UPDATE state SET body = x'c1'")


@pytest.mark.parametrize("journal", [True, False], ids=["journal kept", "after a power cut"])
@pytest.mark.parametrize("damage", [zero_page_of_a_segment, zero_header, foreign, text, truncated, no_table, no_state])
async def test_a_damaged_database_is_put_aside_and_what_is_readable_comes_with_its_identities(
    rig: Rig, tmp_path: Path, damage: Callable[[Rig], None], journal: bool
) -> None:
    await fill(rig, 60)
    epoch = rig.spool.tail.state.epoch
    rig.append([9001, 9002], tokens=False)
    await rig.crash()
    with contextlib.closing(sqlite3.connect(database(rig))) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    damage(rig)
    if not journal:
        shutil.rmtree(tmp_path / "run")
        (tmp_path / "run").mkdir()
    try:
        await rig.open()
        damaged = not set_aside(rig) and await drained(rig)
        assert not damaged
    except SpoolDamaged:  # some of it is found when it is read, or by the first commit
        with contextlib.suppress(OSError, ValueError):
            await rig.crash()
        await rig.open()
    assert "spool.sqlite3" in set_aside(rig)
    books = rig.spool.tail.state.sinks["cloud"]
    lost = sum(books.dropped.values())
    assert rig.remainder() == 0
    first = await rig.spool.next("cloud") if books.pending else None
    assert first is None or first.epoch == epoch != rig.spool.tail.state.epoch
    await rig.crash()
    await rig.open()
    got = await drained(rig)
    assert len(got) == len(set(got))
    assert rig.remainder() == 0
    if journal:
        assert set(got) >= {9001, 9002}
        assert len(got) + lost == 60 * 40 + 2
    if damage in (zero_page_of_a_segment, no_table, no_state):
        assert len(got) > 1200, "most of it was readable"
    assert lost == 0 or damage not in (no_table, no_state)
    rig.append([77])
    assert await drained(rig) == [77]
    assert rig.spool.tail.state.floor == rig.spool.tail.state.next_id - 1


async def test_damage_found_while_running_ends_the_run_and_the_next_one_salvages(rig: Rig) -> None:
    await fill(rig, 60)
    await rig.crash()
    zero_page_of_a_segment(rig)
    await rig.open()  # the start looks at the newest segments only
    assert not (rig.directory / "quarantine").exists()
    with pytest.raises(SpoolDamaged):
        await drained(rig)
    await rig.spool.close()
    await rig.open()
    assert "spool.sqlite3" in set_aside(rig)
    got = await drained(rig)
    assert len(got) + rig.spool.tail.state.sinks["cloud"].dropped["damaged"] <= 60 * 40
    assert (len(set(got)), rig.remainder()) == (len(got), 0)


async def test_a_salvage_that_is_killed_is_done_over_again(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    await fill(rig, 60)
    await rig.crash()
    no_state(rig)
    monkeypatch.setattr(recovery, "BATCH", 7)
    restore, calls = Database.restore, 0

    async def killed(self: Database, *arguments: object) -> None:
        nonlocal calls
        calls += 1
        if calls == 4:
            raise KeyboardInterrupt
        await restore(self, *arguments)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(Database, "restore", killed)
        with pytest.raises(KeyboardInterrupt):
            await rig.open()
    await rig.open()
    assert sorted(await drained(rig)) == list(range(60 * 40))
    assert (rig.remainder(), rig.spool.tail.state.sinks["cloud"].dropped) == (0, {})


async def test_the_wal_goes_into_quarantine_too_and_stays_there(rig: Rig) -> None:
    await fill(rig, 20)
    shutil.copytree(rig.directory, as_killed := rig.directory.with_name("as killed"))
    await rig.crash()
    shutil.rmtree(rig.directory)
    as_killed.rename(rig.directory)
    size = database(rig).with_name("spool.sqlite3-wal").stat().st_size
    assert size > 0
    recovery.note(rig.directory, "damaged")
    await rig.open()
    [wal] = (rig.directory / "quarantine").glob("*/spool.sqlite3-wal")
    assert wal.stat().st_size == size
    assert sorted(await drained(rig)) == list(range(20 * 40))


async def test_quarantine_keeps_a_few_and_no_more(rig: Rig) -> None:
    for _ in range(quarantine.KEPT + 3):
        await rig.crash()
        text(rig)
        await rig.open()
    kept = sorted(place.name.split("-")[0] for place in (rig.directory / "quarantine").iterdir())
    assert kept == ["0004", "0005"]


async def test_a_database_that_went_back_is_noticed_and_counted(rig: Rig, tmp_path: Path) -> None:
    """Somebody deletes the WAL, or restores a backup, while the journal still tells of later commits."""
    await fill(rig, 10)
    await rig.crash()
    shutil.copytree(rig.directory, tmp_path / "backup")
    await rig.open()
    rig.spool.ready("cloud", False)
    for value in range(5000, 5600, 100):
        rig.append(range(value, value + 100))
        await rig.spool.commit()
    rig.spool.tail.rotate()
    rig.spool.tail.rotate()
    rig.append([7000])
    rig.spool.flush()
    await rig.crash()
    shutil.rmtree(rig.directory)
    shutil.copytree(tmp_path / "backup", rig.directory)
    await rig.open()
    books = rig.spool.tail.state.sinks["cloud"]
    assert (books.dropped, rig.remainder()) == ({"damaged": 600}, 0)
    assert sorted(await drained(rig)) == [*range(400), 7000]


async def test_after_an_error_of_the_disk_every_page_is_read(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    await fill(rig, 60)
    await rig.crash()
    zero_page_of_a_segment(rig)
    recovery.note(rig.directory, "verify")
    await rig.open()
    assert "spool.sqlite3" in set_aside(rig)
    await rig.crash()
    verified = 0
    verify = Database.verify

    async def count(self: Database) -> None:
        nonlocal verified
        verified += 1
        await verify(self)

    monkeypatch.setattr(Database, "verify", count)
    await rig.open()
    assert verified == 0


async def test_a_newer_version_is_refused_and_left_alone(rig: Rig) -> None:
    await rig.crash()
    rig.alter("PRAGMA user_version = 99")
    with pytest.raises(SpoolRefused, match="newer version"):
        await rig.open()
    assert not (rig.directory / "quarantine").exists()
    rig.alter("PRAGMA user_version = 1")
    await rig.open()


def _give_away(rig: Rig, mode: int) -> None:
    """To nobody: all but the database."""
    database(rig).chmod(mode)
    os.chown(rig.directory, 65534, 65534)
    for folder in rig.directory.parents:
        if folder.is_relative_to(Path(tempfile.gettempdir()) / f"pytest-of-{getpass.getuser()}"):
            folder.chmod(0o711)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize("mode", [0o600, 0o644])
async def test_a_database_of_another_user_is_refused_in_one_line(rig: Rig, mode: int) -> None:
    """Not waited for, as a read-only file system is: somebody has to give it back."""
    await rig.crash()
    _give_away(rig, mode)
    os.seteuid(65534)
    try:
        with pytest.raises(SpoolRefused, match=r"not ours to write, it belongs to user 0 .* chown"):
            await Database.open(database(rig))
    finally:
        os.seteuid(0)
    await rig.open()


async def test_a_locked_database_is_waited_for(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    await rig.crash()
    monkeypatch.setattr("collector.spool.database._PRAGMAS", "PRAGMA busy_timeout = 1;")
    with contextlib.closing(sqlite3.connect(database(rig), isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(DiskUnavailable, match="locked by another program"):
            await rig.open()
    await rig.open()


async def test_nobody_else_gets_at_the_database_while_it_is_open(rig: Rig) -> None:
    await rig.crash()
    await rig.open()
    with (
        contextlib.closing(sqlite3.connect(database(rig), timeout=0.01)) as other,
        pytest.raises(sqlite3.OperationalError, match="locked"),
    ):
        other.execute("SELECT * FROM segment")
    assert not database(rig).with_name("spool.sqlite3-shm").exists()


async def test_a_database_removed_while_in_use_ends_the_run(rig: Rig) -> None:
    shutil.move(rig.directory, rig.directory.with_name("elsewhere"))
    with pytest.raises(SpoolError, match="removed or replaced"):
        await rig.spool.tend()


@pytest.mark.fault(47)
@pytest.mark.parametrize("version", [1])
async def test_a_captured_database_of_every_earlier_version_opens(rig: Rig, version: int) -> None:
    """Six readings for two sinks: the first three delivered to `cloud`, one of these as a dead letter."""
    await rig.crash()
    for file in rig.directory.glob("spool.sqlite3*"):
        file.unlink()
    shutil.copy(CAPTURED / f"schema-{version}.sqlite3", database(rig))
    rig.sinks = ("cloud", "archive")
    spool = await rig.open()
    assert not (rig.directory / "quarantine").exists()
    cloud, archive = spool.tail.state.sinks["cloud"], spool.tail.state.sinks["archive"]
    assert (cloud.received, cloud.delivered, cloud.dead, cloud.pending) == (6, 2, 1, 3)
    assert (archive.received, archive.pending) == (6, 6)
    assert [values(s) for s in await rig.deliver("cloud", 2)] == [[4, 5], [6]]
    assert [values(s) for s in await rig.deliver("archive", 3)] == [[1, 2, 3], [4, 5], [6]]
    assert rig.query("SELECT sink, seq, reason FROM dead") == [("cloud", 2, "400: no such unit")]


@pytest.mark.fault(47)
async def test_a_migration_that_breaks_off_leaves_the_old_version(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    await fill(rig, 2)
    await rig.crash()
    from collector.spool import migrations

    steps = migrations.scripts()
    broken = "ALTER TABLE segment ADD COLUMN extra INTEGER; INSERT INTO nowhere VALUES (1)"
    with monkeypatch.context() as patch:
        patch.setattr(migrations, "scripts", lambda: [*steps, broken])
        with pytest.raises(SpoolError, match="nowhere"):
            await rig.open()
    with contextlib.closing(sqlite3.connect(database(rig))) as connection:
        columns = [row[1] for row in connection.execute("PRAGMA table_info(segment)")]
        assert ("extra" in columns, connection.execute("PRAGMA user_version").fetchone()) == (False, (len(steps),))
    await rig.open()
    assert sorted(await drained(rig)) == list(range(80))


async def test_dead_letters_lost_with_the_database_are_dropped_and_counted(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    """Else they would count against the share that dead letters have, for ever."""
    rig.append([1, 2, 3])
    segment = await rig.spool.next("cloud")
    [part] = rig.spool.parts("cloud", segment)
    rig.spool.settle("cloud", part, Outcome(dead={0: "bad", 1: "bad"}))
    await rig.spool.commit()
    rig.spool.tail.rotate()
    rig.append([4])
    segment = await rig.spool.next("cloud")
    [part] = rig.spool.parts("cloud", segment)
    rig.spool.settle("cloud", part, Outcome(dead={0: "bad"}))
    await rig.crash()
    (rig.directory / "spool.sqlite3").write_bytes(b"garbage" * 1000)
    state = (await rig.open()).tail.state
    books = state.sinks["cloud"]
    assert (books.delivered, books.dead, books.dropped, rig.remainder()) == (1, 1, {"damaged": 2}, 0)
    assert rig.query("SELECT seq FROM dead") == [(4,)]
    assert "2 dead letters could not be read any more: dropped" in caplog.text
    assert await letters.requeue(rig.spool, lambda letter: True) == 1
    assert state.dead_bytes == 0


async def test_without_a_note_no_salvage_begins(rig: Rig) -> None:
    await fill(rig, 3)
    await rig.crash()
    no_state(rig)
    (rig.directory / "recovery").mkdir()
    with pytest.raises(DiskUnavailable, match="needs room"):
        await rig.open()
    assert not (rig.directory / "quarantine").exists()
    (rig.directory / "recovery").rmdir()
    await rig.open()
    assert sorted(await drained(rig)) == list(range(120))


@pytest.mark.parametrize("wal", [True, False])
async def test_an_emptied_database_is_no_new_one(rig: Rig, tmp_path: Path, wal: bool) -> None:
    await fill(rig, 20)
    shutil.copytree(rig.directory, as_killed := tmp_path / "as killed")
    await rig.crash()
    if wal:
        shutil.rmtree(rig.directory)
        as_killed.rename(rig.directory)
    os.truncate(database(rig), 0)
    shutil.rmtree(tmp_path / "run")
    (tmp_path / "run").mkdir()
    await rig.open()
    assert "spool.sqlite3" in set_aside(rig)
    if wal:
        assert "spool.sqlite3-wal" in set_aside(rig)
        assert sorted(await drained(rig)) == list(range(20 * 40)), "all of it stood in the WAL"
    rig.append([77])
    assert await drained(rig) == [77]
    assert rig.remainder() == 0
