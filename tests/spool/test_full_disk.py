"""A disk that is full, on a real small tmpfs: it is drained, nothing is lost uncounted, and all goes on afterwards."""

import os
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.config.model import Size, SpoolSection
from collector.errors import DiskUnavailable
from collector.reading import Reading
from collector.spool.ballast import BALLAST_BYTES
from collector.spool.filling import Origin
from collector.spool.spool import CROWDED_BYTES, FULL_BYTES
from tests.spool.rig import Rig, values

RANDOM = random.Random(7)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    if os.getuid():
        pytest.skip("only root can mount a small file system")
    (disk := tmp_path / "disk").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40m,mode=755", "tmpfs", disk], check=True)
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "run").mkdir()
    monkeypatch.setattr("collector.spool.spool.journal_directory", lambda data_dir: (tmp_path / "run", True))


def remount(disk: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", disk], check=True)


def fill_up(disk: Path) -> Path:
    """Somebody else takes all that is left."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (1 << 20, 4096, 512):
            try:
                while True:
                    file.write(os.urandom(size))
            except OSError:
                continue
    return filler


def append(rig: Rig, value: int, readings: int = 100, *, tokens: bool = True) -> None:
    """Readings with 900 bytes each that do not compress."""
    numbers = range(value, value + readings)
    batch = [Reading(0, "meter", "m", 1, "synced", {"n": n, "noise": RANDOM.randbytes(900)}) for n in numbers]
    origins = [Origin(n if tokens else 0, n, 1) for n in numbers]
    rig.spool.append("meter", batch, origins, 900 * readings)


async def committed(rig: Rig) -> None:
    rig.clock.now += 6
    await rig.spool.tend()


@pytest.mark.usefixtures("journal")
async def test_a_full_disk_turns_over_at_constant_size_and_is_drained(small_disk: Path) -> None:
    rig = Rig(small_disk / "data")
    spool = await rig.open(ready=False)
    assert (small_disk / "data/ballast").stat().st_size == BALLAST_BYTES
    for at in range(60):
        append(rig, 100 * at + 1)
        await committed(rig)
    fill_up(small_disk)
    assert os.statvfs(small_disk).f_bavail == 0
    for at in range(60, 300):
        append(rig, 100 * at + 1)
        await committed(rig)
        assert spool.tail.bytes == 0, "every commit gets through"
    books = spool.tail.state.sinks["cloud"]
    assert spool.trouble and "disk is full" in spool.trouble
    assert books.dropped["full"] > 15_000
    got: list[int] = []
    spool.ready("cloud", True)
    while books.pending:
        got += [value for segment in await rig.deliver() for value in values(segment)]
    assert got == list(range(30_001 - len(got), 30_001)) and len(got) > 4000
    await committed(rig)
    assert (spool.database.bytes < 200_000, rig.remainder()) == (True, 0)
    (small_disk / "filler").unlink()
    await committed(rig)
    await committed(rig)
    assert (spool.trouble, spool.database.cramped) == ("", False)
    await spool.close()


@pytest.mark.usefixtures("journal")
async def test_without_any_room_sources_wait_and_the_others_lose_what_is_counted(small_disk: Path) -> None:
    rig = Rig(small_disk / "data")
    spool = await rig.open(ready=False)
    append(rig, 1)
    await committed(rig)
    spool.database.ballast.release()
    filler = fill_up(small_disk)
    at = 1
    while not rig.held_back:
        append(rig, 100 * at + 1)
        await committed(rig)
        at += 1
    assert rig.held_back == [True] and spool.tail.bytes > CROWDED_BYTES
    assert "disk is full" in spool.trouble
    safe = rig.safe
    while spool.tail.bytes <= FULL_BYTES:
        append(rig, 100 * at + 1, tokens=False)
        at += 1
    append(rig, 0, 250, tokens=False)
    await committed(rig)
    books = spool.tail.state.sinks["cloud"]
    given_up = books.dropped.pop("full", 0)  # the only one stored may have had to make room
    assert given_up in (0, 100)
    assert (books.dropped, rig.safe) == ({"disk": 250}, safe)
    books.dropped["full"] = given_up
    assert spool.journal.size < 4 * FULL_BYTES
    await rig.crash()
    filler.unlink()
    spool = await rig.open()
    got: list[int] = []
    books = spool.tail.state.sinks["cloud"]
    while books.pending:
        got += [value for segment in await rig.deliver() for value in values(segment)]
    assert got == list(range(given_up + 1, 100 * at + 1))
    assert rig.remainder() == 0
    await spool.close()


@pytest.mark.usefixtures("journal")
async def test_a_disk_with_room_again_takes_what_waited(small_disk: Path) -> None:
    rig = Rig(small_disk / "data")
    spool = await rig.open(ready=False)
    spool.database.ballast.release()
    filler = fill_up(small_disk)
    append(rig, 1)
    await committed(rig)
    assert (rig.safe, "disk is full" in spool.trouble) == (0, True)
    filler.unlink()
    await committed(rig)
    await committed(rig)
    assert (rig.safe > 0, spool.trouble) == (True, "")
    await spool.close()


@pytest.mark.usefixtures("journal")
async def test_a_disk_too_small_for_a_ballast_has_room_again_like_any_other(
    small_disk: Path, caplog: pytest.LogCaptureFixture
) -> None:
    remount(small_disk, "size=8m")
    rig = Rig(small_disk / "data")
    spool = await rig.open(ready=False)
    assert not spool.database.ballast.held
    assert "8 MiB are free, which is less than 12 MiB" in spool.caution
    assert [record.event.code for record in caplog.records] == ["disk.without_reserve"]
    filler = fill_up(small_disk)
    append(rig, 1)
    await committed(rig)
    assert spool.database.cramped and "disk is full" in spool.trouble
    filler.unlink()
    await committed(rig)
    assert (rig.safe > 0, spool.trouble, spool.database.cramped) == (True, "", False)
    await spool.close()


@pytest.mark.usefixtures("journal")
async def test_a_damaged_database_on_a_disk_without_inodes_waits_for_one(small_disk: Path) -> None:
    rig = Rig(small_disk / "data")
    await rig.open()
    await rig.crash()
    (rig.directory / "spool.sqlite3").write_bytes(b"x" * 8192)
    disk = os.statvfs(small_disk)
    remount(small_disk, f"nr_inodes={disk.f_files - disk.f_ffree}")
    with pytest.raises(DiskUnavailable, match="needs room on the disk"):
        await rig.open()
    remount(small_disk, f"nr_inodes={disk.f_files}")
    spool = await rig.open()
    assert (rig.directory / "quarantine").is_dir()
    await spool.close()


@pytest.mark.usefixtures("journal")
async def test_reject_new_lets_those_wait_that_can_and_counts_the_newest_of_the_others(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "edge_collector")
    rig = Rig(tmp_path / "data", section=SpoolSection(max_bytes=Size(1_000_000), when_full="reject-new"))
    spool = await rig.open(ready=False)
    at = 0
    while not rig.held_back:
        append(rig, 100 * at + 1)
        await committed(rig)
        at += 1
    append(rig, 0, 30, tokens=False)
    books = spool.tail.state.sinks["cloud"]
    assert (rig.held_back, books.dropped, rig.remainder()) == ([True], {"full": 30}, 0)
    assert spool.database.bytes < 1_200_000
    assert "reject-new" in spool.trouble
    assert [record.event.code for record in caplog.records] == ["spool.full", "spool.full"]
    spool.ready("cloud", True)
    got = [value for segment in await rig.deliver(count=3) for value in values(segment)]
    rig.clock.now += 1
    await spool.tend()
    assert rig.held_back == [True, False], "who waits for room has it within a second"
    assert caplog.records[-1].event.code == "spool.has_room"
    append(rig, 100 * at + 1, tokens=False)
    while books.pending:
        spool.flush()
        got += [value for segment in await rig.deliver() for value in values(segment)]
    assert got == list(range(1, 100 * (at + 1) + 1)), "the oldest stayed"
    await spool.close()


async def drain(rig: Rig) -> list[int]:
    rig.spool.flush()
    got: list[int] = []
    books = rig.spool.tail.state.sinks["cloud"]
    while books.pending:
        rig.spool.flush()
        got += [value for segment in await rig.deliver() for value in values(segment)]
    return got


@pytest.mark.usefixtures("journal")
async def test_a_full_disk_without_a_ballast_is_started_on_drained_and_collected_beside(small_disk: Path) -> None:
    rig = Rig(small_disk / "data")
    spool = await rig.open(ready=False)
    append(rig, 1)
    await committed(rig)
    append(rig, 101)
    spool.flush()
    append(rig, 201, tokens=False)
    spool.database.ballast.release()
    filler = fill_up(small_disk)
    await rig.crash()
    spool = await rig.open()
    append(rig, 301)
    assert "disk is full" in spool.trouble
    assert await drain(rig) == list(range(1, 401))
    await committed(rig)
    assert (spool.tail.state.sinks["cloud"].dropped, rig.remainder()) == ({}, 0)
    assert "disk is full" in spool.trouble
    await rig.crash()
    spool = await rig.open()
    assert spool.tail.state.sinks["cloud"].pending == 0
    filler.unlink()
    await committed(rig)
    assert (spool.trouble, rig.remainder()) == ("", 0)
    await spool.close()


@pytest.mark.usefixtures("journal")
async def test_nothing_stored_is_given_up_where_that_makes_no_room(small_disk: Path) -> None:
    rig = Rig(small_disk / "data")
    spool = await rig.open(ready=False)
    for at in range(20):
        append(rig, 100 * at + 1)
        await committed(rig)
    spool.database.ballast.release()
    filler = fill_up(small_disk)
    for at in range(20, 40):
        append(rig, 100 * at + 1)
        await committed(rig)
    assert "disk is full" in spool.trouble
    filler.unlink()
    spool.ready("cloud", True)
    assert await drain(rig) == list(range(1, 4001))
    await spool.close()


@pytest.mark.usefixtures("journal")
async def test_reject_new_on_a_disk_that_takes_nothing_passes_readings_on_through_memory(small_disk: Path) -> None:
    rig = Rig(small_disk / "data", section=SpoolSection(when_full="reject-new"))
    spool = await rig.open(ready=False)
    at = 0
    spool.database.ballast.release()
    spool.database.ballast.take = lambda: False  # type: ignore[method-assign]
    while not rig.held_back:
        append(rig, 100 * at + 1)
        await committed(rig)
        at += 1
    spool.ready("cloud", True)
    assert await drain(rig) == list(range(1, 100 * at + 1))
    await committed(rig)
    assert rig.held_back == [True, False]
    append(rig, 100 * at + 1)
    assert await drain(rig) == list(range(100 * at + 1, 100 * at + 101))
    await rig.crash()
