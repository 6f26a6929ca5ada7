"""The spool on a tail journal that is full, read-only, taken away or damaged: nothing crashes, the books balance."""

import contextlib
import ctypes
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.spool.framing import FRAME, framed
from collector.spool.records import Moved, encode_record
from tests.spool.rig import Rig, values

AS_ROOT = pytest.mark.skipif(os.getuid() != 0, reason="only root can mount a tmpfs and give a directory away")
MS_RDONLY, MS_REMOUNT, MNT_DETACH = 1, 32, 2


def mount(at: Path, options: str, flags: int = 0) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"tmpfs", os.fsencode(at), b"tmpfs", flags, options.encode()):
        pytest.skip(f"no tmpfs can be mounted here: {os.strerror(ctypes.get_errno())}")


@pytest.fixture
def tmpfs(rig: Rig, tmp_path: Path) -> Iterator[Path]:
    """A small one over the journal's directory; the spool that was open has crashed."""
    at = tmp_path / "run"
    mount(at, "size=64k,mode=700")
    yield at
    ctypes.CDLL(None).umount2(os.fsencode(at), MNT_DETACH)


async def take_records_again(rig: Rig, expected: list[int]) -> None:
    """The next commit finds the journal in order; what came meanwhile and comes then survives SIGKILL."""
    await rig.spool.commit()
    assert rig.spool.tail.journaled
    rig.append([expected[-1]], tokens=False)
    await rig.crash()
    await rig.open()
    got: list[int] = []
    while rig.spool.tail.state.sinks["cloud"].pending:
        got += [value for segment in await rig.deliver() for value in values(segment)]
    assert got == expected
    assert rig.remainder() == 0


@AS_ROOT
async def test_on_a_full_tmpfs_every_segment_is_committed(
    rig: Rig, tmpfs: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await rig.spool.tend()
    with contextlib.suppress(OSError), (tmpfs / "ballast").open("wb", buffering=0) as ballast:
        while ballast.write(bytes(4096)):
            pass
    caplog.clear()
    numbers = list(range(1, 1501))
    for at in range(0, 1500, 500):
        rig.append(numbers[at : at + 500])
    assert not rig.spool.tail.journaled
    assert [line for line in caplog.messages if "No space left on device" in line] == caplog.messages[:1]
    assert rig.spool.tail.hidden == rig.spool.tail.state.next_id - 1
    await rig.spool.tend()
    assert rig.safe == rig.spool.tail.state.next_id - 1
    (tmpfs / "ballast").unlink()
    await take_records_again(rig, [*numbers, 1501])


@AS_ROOT
async def test_on_a_read_only_tmpfs_it_starts_and_commits(
    rig: Rig, tmpfs: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await rig.crash()
    mount(tmpfs, "size=64k", MS_RDONLY | MS_REMOUNT)
    caplog.clear()
    await rig.open()
    rig.append([1])
    rig.spool.flush()
    await rig.spool.tend()
    assert rig.safe == 1
    assert "missing, where the last run left one" in caplog.messages[0]
    assert [line for line in caplog.messages if "Read-only file system" in line] == caplog.messages[1:]
    mount(tmpfs, "size=64k", MS_REMOUNT)
    await take_records_again(rig, [1, 2])


async def test_with_a_directory_in_the_files_place_it_starts_and_commits(
    rig: Rig, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await rig.crash()
    for name in ("tail.0", "tail.1"):
        (tmp_path / "run" / name).unlink(missing_ok=True)
        (tmp_path / "run" / name).mkdir()
    caplog.clear()
    await rig.open()
    rig.append([1])
    rig.spool.flush()
    await rig.spool.tend()
    assert rig.safe == 1
    assert [line.partition("run/")[2] for line in caplog.messages] == [
        "tail.0 is no regular file; passed over",
        "tail.1 is no regular file; passed over",
        "tail.0: Is a directory; committing every segment to disk until it takes records again",
    ]
    for name in ("tail.0", "tail.1"):
        (tmp_path / "run" / name).rmdir()
    await take_records_again(rig, [1, 2])


@AS_ROOT
async def test_a_directory_that_somebody_else_put_in_its_place_is_not_used(
    rig: Rig, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    directory = tmp_path / "run"
    rig.append([1], tokens=False)
    directory.rename(tmp_path / "taken")
    directory.mkdir(mode=0o777)
    os.chown(directory, 12345, 12345)
    caplog.clear()
    await rig.spool.tend()
    assert list(directory.iterdir()) == []
    assert [line.partition("; ")[0] for line in caplog.messages] == [
        f"tail journal: {directory}: somebody removed or replaced it",
        f"tail journal: {directory}: belongs to somebody else",
    ]
    assert rig.safe == 1
    directory.rmdir()
    await take_records_again(rig, [1, 2])


async def test_removed_and_put_back_by_hand_it_is_begun_again(rig: Rig, tmp_path: Path) -> None:
    """The copy that was put back is the directory of old: complete, but nothing would be appended to it."""
    directory = tmp_path / "run"
    rig.append([1], tokens=False)
    shutil.copytree(directory, tmp_path / "copy")
    shutil.rmtree(directory)
    shutil.move(tmp_path / "copy", directory)
    await rig.spool.tend()
    await take_records_again(rig, [1, 2])


def flip(path: Path, chunk: int) -> None:
    """Damages the body of the record that holds readings and has that number among those, counted from 0."""
    data = bytearray(path.read_bytes())
    at = data.index(b"\n") + 1
    chunks = -1
    while True:
        payload = at + FRAME.size
        chunks += data[payload + 1 : payload + 7] == b"\xa5chunk"
        if chunks == chunk:
            break
        at = payload + FRAME.unpack_from(data, at)[0]
    data[payload + 10] ^= 1
    path.write_bytes(data)


async def test_readings_lost_with_the_newest_file_are_in_no_books(rig: Rig, tmp_path: Path) -> None:
    for value in (1, 2, 3):
        rig.append([value], tokens=False)
        rig.spool.flush()
    await rig.crash()
    flip(tmp_path / "run" / "tail.0", 1)
    await rig.open()
    assert [value for segment in await rig.deliver() for value in values(segment)] == [1]
    books = rig.spool.tail.state.sinks["cloud"]
    assert (books.received, books.pending, books.dropped, rig.remainder()) == (1, 0, {}, 0)


async def test_readings_lost_with_the_older_file_are_dropped_and_counted_and_hold_nothing_up(
    rig: Rig, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rig.spool.ready("cloud", False)
    rig.append([1])
    await rig.spool.commit()
    for value in (2, 3, 4):
        rig.append([value], tokens=False)
        rig.spool.flush()
    rig.spool.tail.rotate()
    rig.append([5], tokens=False)
    rig.spool.flush()
    await rig.crash()
    older = tmp_path / "run" / "tail.0"
    flip(older, 2)
    caplog.clear()
    await rig.open()
    assert "2 readings are neither on the disk nor in the tail journal" in caplog.text
    assert [value for segment in await rig.deliver(count=3) for value in values(segment)] == [1, 2, 5]
    books = rig.spool.tail.state.sinks["cloud"]
    assert (books.received, books.delivered, books.dropped) == (5, 3, {"damaged": 2})
    assert rig.remainder() == 0
    await rig.spool.commit()
    assert rig.query("SELECT count(*) FROM segment") == [(0,)]


@pytest.mark.parametrize("missing", ["older", "newer", "both"])
async def test_a_file_that_somebody_removed_is_noticed(
    rig: Rig, tmp_path: Path, caplog: pytest.LogCaptureFixture, missing: str
) -> None:
    rig.spool.ready("cloud", False)
    rig.append([1])
    await rig.spool.commit()
    for value in (2, 3):
        rig.append([value], tokens=False)
        rig.spool.flush()
    rig.spool.tail.rotate()
    rig.append([4], tokens=False)
    rig.spool.flush()
    await rig.crash()
    for name, file in (("older", "tail.0"), ("newer", "tail.1")):
        if missing in (name, "both"):
            (tmp_path / "run" / file).unlink()
    caplog.clear()
    spool = await rig.open()
    codes = {record.event.code for record in caplog.records if "-wal" not in record.getMessage()}
    assert "spool.damaged" in codes if missing == "older" else "journal.damaged" in codes
    kept = {"older": [1, 4], "newer": [1, 2, 3], "both": [1]}[missing]
    got: list[int] = []
    while spool.tail.state.sinks["cloud"].pending:
        got += [value for segment in await rig.deliver() for value in values(segment)]
    assert got == kept
    assert spool.tail.state.sinks["cloud"].dropped == ({"damaged": 2} if missing == "older" else {})
    assert rig.remainder() == 0


async def test_a_wal_that_somebody_removed_is_noticed(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    await rig.spool.close()
    await rig.open()
    assert not caplog.records, "after an orderly end there is none"
    await rig.crash()
    (rig.directory / "spool.sqlite3-wal").unlink()
    await rig.open()
    assert "spool.sqlite3-wal is missing, where the last run left one" in caplog.text


async def test_of_a_segment_in_two_files_what_follows_the_damage_is_not_taken_for_what_it_is_not(
    rig: Rig, tmp_path: Path
) -> None:
    rig.append([1], tokens=False)
    rig.append([2], tokens=False)
    rig.spool.tail.rotate()
    rig.append([3], tokens=False)
    rig.spool.flush()
    await rig.crash()
    older = tmp_path / "run" / "tail.0"
    flip(older, 1)
    await rig.open()
    [segment] = await rig.deliver()
    assert (segment.first_seq, values(segment)) == (1, [1])
    books = rig.spool.tail.state.sinks["cloud"]
    assert (books.received, books.delivered, books.dropped) == (3, 1, {"damaged": 2})
    assert rig.remainder() == 0


async def test_an_older_file_that_is_too_short_is_damage_though_it_ends_like_one_that_was_being_written(
    rig: Rig, tmp_path: Path
) -> None:
    rig.append([1], tokens=False)
    rig.append([2, 3], tokens=False)
    rig.spool.tail.rotate()
    await rig.crash()
    older = tmp_path / "run" / "tail.0"
    os.truncate(older, older.stat().st_size - 3 - len(framed(encode_record(Moved()))))
    await rig.open()
    [segment] = await rig.deliver()
    books = rig.spool.tail.state.sinks["cloud"]
    assert (values(segment), books.delivered, books.pending, books.dropped) == ([1], 1, 0, {"damaged": 2})


async def test_what_an_older_file_still_holds_is_not_taken_twice(rig: Rig, tmp_path: Path) -> None:
    rig.append([1], tokens=False)
    rig.spool.tail.rotate()
    rig.append([2], tokens=False)
    (rig.spool.journal._paths[rig.spool.journal._current]).unlink()
    await rig.spool.tend()
    await rig.crash()
    await rig.open()
    assert [value for segment in await rig.deliver() for value in values(segment)] == [1, 2]
    assert rig.remainder() == 0


async def test_a_start_that_is_killed_finds_a_damaged_journal_again(rig: Rig, tmp_path: Path) -> None:
    for value in (1, 2):
        rig.append([value], tokens=False)
        rig.spool.flush()
    await rig.crash()
    flip(tmp_path / "run" / "tail.0", 1)
    for _ in range(2):
        replay = rig.spool.journal.replay(rig.spool.tail.state.spool_id)
        assert replay is not None and len(replay.chunks) == 1
    await rig.open()
    assert [value for segment in await rig.deliver() for value in values(segment)] == [1]
