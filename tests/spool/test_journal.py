"""The tail journal on a real file: whatever is cut off its end, what stands before is found again."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from collector.clock import Regime
from collector.spool.journal import Journal
from collector.spool.place import journal_directory
from collector.spool.records import Chunk, Settle
from collector.spool.state import State


def chunk(id: int) -> Chunk:
    return Chunk(id, 10 * id, 3, Regime("boot", 0, True), b"abc" * id, {"air": 3}, {"air": {id: id * 7}})


def begun(directory: Path, lsn: int = 0) -> tuple[Journal, State]:
    state = State(spool_id="spool", lsn=lsn)
    state.configure(["cloud"])
    journal = Journal(directory)
    journal.begin(state.checkpoint())
    return journal, state


def test_what_was_appended_is_replayed(tmp_path: Path) -> None:
    journal, state = begun(tmp_path)
    for record in (chunk(1), chunk(2), Settle("cloud", 1, 3, [(0, 3)], [])):
        journal.append(record)
        state.apply(record)
    replay = Journal(tmp_path).replay("spool")
    assert replay is not None
    assert replay.state == state
    assert replay.chunks == [chunk(1), chunk(2)]


def test_cut_anywhere_it_keeps_every_whole_record(tmp_path: Path) -> None:
    journal, _ = begun(tmp_path)
    ends = [journal.size]
    for id in (1, 2, 3):
        journal.append(chunk(id))
        ends.append(journal.size)
    path = tmp_path / "tail.0"
    whole = path.read_bytes()
    for length in range(ends[0], len(whole) + 1):
        path.write_bytes(whole[:length])
        replay = Journal(tmp_path).replay("spool")
        assert replay is not None
        assert len(replay.chunks) == sum(end <= length for end in ends[1:])


def test_two_files_go_on_where_the_first_ended(tmp_path: Path) -> None:
    journal, state = begun(tmp_path)
    journal.append(chunk(1))
    state.apply(chunk(1))
    journal.begin(state.checkpoint())
    journal.append(chunk(2))
    state.apply(chunk(2))
    replay = Journal(tmp_path).replay("spool")
    assert replay is not None
    assert (replay.state, [c.id for c in replay.chunks]) == (state, [1, 2])
    journal.retire()
    replay = Journal(tmp_path).replay("spool")
    assert replay is not None
    assert (replay.state, [c.id for c in replay.chunks]) == (state, [2])


def test_nothing_remains_of_a_record_that_did_not_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal, _ = begun(tmp_path)
    journal.append(chunk(1))
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[: len(data) // 2]))
    with pytest.raises(OSError) as raised:
        journal.append(chunk(2))
    monkeypatch.undo()
    assert raised.value.errno == errno.ENOSPC
    journal.append(chunk(3))
    replay = Journal(tmp_path).replay("spool")
    assert replay is not None
    assert [c.id for c in replay.chunks] == [1, 3]


def test_the_file_is_for_its_owner_only(tmp_path: Path) -> None:
    begun(tmp_path)
    assert (tmp_path / "tail.0").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("how", ["removed", "replaced", "moved"])
def test_a_file_that_is_not_in_its_place_any_more_is_gone(tmp_path: Path, how: str) -> None:
    directory = tmp_path / "run"
    journal, _ = begun(directory)
    assert not journal.gone
    if how == "removed":
        (directory / "tail.0").unlink()
    elif how == "replaced":
        (directory / "copy").write_bytes((directory / "tail.0").read_bytes())
        (directory / "copy").rename(directory / "tail.0")
    else:
        directory.rename(tmp_path / "elsewhere")
    assert journal.gone


def test_a_directory_in_its_place_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "tail.0").mkdir()
    with pytest.raises(IsADirectoryError) as raised:
        begun(tmp_path)
    assert raised.value.filename2 == str(tmp_path / "tail.0") or raised.value.filename2 == tmp_path / "tail.0"
    assert not (tmp_path / "tail.new").exists()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a directory away")
def test_a_directory_that_somebody_else_has_made_is_not_written_to(tmp_path: Path) -> None:
    directory = tmp_path / "run"
    directory.mkdir(mode=0o777)
    os.chown(directory, 12345, 12345)
    with pytest.raises(FileExistsError, match="belongs to somebody else; remove it"):
        begun(directory)
    assert list(directory.iterdir()) == []


@pytest.mark.parametrize("occupant", [Path.touch, lambda place: place.symlink_to(place.parent)])
def test_a_place_that_is_taken_is_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, occupant: Callable[[Path], None]
) -> None:
    """The sandbox asks for the place first, and leaves it to the spool to speak."""
    taken = tmp_path / "taken"
    occupant(taken)
    monkeypatch.setattr("collector.spool.place.places", lambda data_dir, uid: [taken])
    monkeypatch.setattr("collector.spool.place.on_tmpfs", lambda path: True)
    for quietly in (True, False):
        assert journal_directory(tmp_path / "data", quietly=quietly) == (tmp_path / "data", False)
    assert caplog.messages == [f"tail journal: {taken}: belongs to somebody else; remove it"]
