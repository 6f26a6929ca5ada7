"""Journal files that are torn, damaged, foreign or no files: what is readable is taken, one line tells the rest."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from collector.clock import Regime
from collector.spool.framing import HEADER, LIMIT_BYTES, framed
from collector.spool.journal import Journal
from collector.spool.leftover import KEPT
from collector.spool.records import Chunk, encode_record
from collector.spool.state import State

AS_ROOT = pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file away")


def chunk(id: int) -> Chunk:
    return Chunk(id, 10 * id, 3, Regime("boot", 0, True), b"abc" * id, {"air": 3}, {"air": {id: id * 7}})


def written(directory: Path, count: int = 3) -> tuple[Path, list[int]]:
    """A journal of so many chunks, and where each record begins and the last ends."""
    state = State(spool_id="spool")
    state.configure(["cloud"])
    journal = Journal(directory)
    journal.begin(state.checkpoint())
    ends = [journal.size]
    for id in range(1, count + 1):
        journal.append(chunk(id))
        ends.append(journal.size)
    journal.close()
    return directory / "tail.0", ends


def found(directory: Path) -> tuple[list[int], bool]:
    """Ids of the chunks that can be read, and whether they are all."""
    replay = Journal(directory).replay("spool")
    assert replay is not None
    return [chunk.id for chunk in replay.chunks], replay.whole


def change(path: Path, at: int, to: bytes | None = None) -> bytes:
    data = bytearray(path.read_bytes())
    data[at : at + len(to or b"x")] = to or bytes([data[at] ^ 1])
    path.write_bytes(data)
    return bytes(data)


def test_a_record_that_was_cut_short_is_no_damage(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path, ends = written(tmp_path)
    for length in range(ends[2], ends[3]):
        written(tmp_path)
        os.truncate(path, length)
        assert found(tmp_path) == ([1, 2], True)
    assert caplog.messages == []
    assert not (tmp_path / KEPT).exists()


@pytest.mark.parametrize(
    ("offset", "to"),
    [(8, None), (20, None), (4, None), (0, b"\xff\xff\xff\x7f"), (0, b"\0" * 8)],
    ids=["first byte", "body", "checksum", "a length beyond the end", "zeros"],
)
def test_damage_in_the_middle_is_told_once_and_what_stands_before_is_taken(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, offset: int, to: bytes | None
) -> None:
    path, ends = written(tmp_path)
    damaged = change(path, ends[1] + offset, to)
    assert found(tmp_path) == ([1], False)
    [line] = caplog.messages
    assert line == (
        f"tail journal: {path} cannot be read from byte {ends[1]} on: {ends[3] - ends[1]} bytes are lost, "
        f"what stands before them is taken; kept as {tmp_path / KEPT}"
    )
    Journal(tmp_path).begin(b"the next run")
    assert (tmp_path / KEPT).read_bytes() == damaged


def test_a_last_record_that_is_whole_but_wrong_is_damage(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path, ends = written(tmp_path)
    change(path, ends[2] + 20)
    assert found(tmp_path) == ([1, 2], False)
    assert f"from byte {ends[2]} on" in caplog.text


def test_a_record_of_no_known_kind_is_damage(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path, ends = written(tmp_path)
    with path.open("ab") as file:
        file.write(framed(b"\x92\xa7mystery\x01") + framed(encode_record(chunk(4))))
    assert found(tmp_path) == ([1, 2, 3], False)
    assert f"from byte {ends[3]} on" in caplog.text


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"garbage", "is no tail journal"),
        (b"\0" * 100_000, "is no tail journal"),
        (HEADER, "begins with a checkpoint that cannot be read"),
        (HEADER + framed(b"junk"), "begins with a checkpoint that cannot be read"),
        (b"edge-collector tail 0\n" + framed(b"old"), "has format 0, and this version reads 1"),
        (b"edge-collector tail 12\n" + framed(b"new"), "has format 12, and this version reads 1"),
        (HEADER + framed(State(spool_id="other").checkpoint()), "is of another spool"),
    ],
)
def test_what_is_no_journal_of_ours_is_passed_over_and_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, content: bytes, words: str
) -> None:
    path = tmp_path / "tail.0"
    path.write_bytes(content)
    assert Journal(tmp_path).replay("spool") is None
    [line] = caplog.messages
    assert line == f"tail journal: {path} {words}; passed over; kept as {tmp_path / KEPT}"
    Journal(tmp_path).begin(b"the next run")
    assert (tmp_path / KEPT).read_bytes() == content


def a_symbolic_link(path: Path) -> None:
    (path.parent / "precious").write_text("not ours")
    path.symlink_to(path.parent / "precious")


def a_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


PLANTED: list[Callable[[Path], object]] = [a_symbolic_link, os.mkfifo, a_socket]


@pytest.mark.parametrize("plant", PLANTED)
@pytest.mark.parametrize("name", ["tail.0", "tail.new"])
def test_what_is_no_file_is_neither_read_nor_written_but_replaced(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, plant: Callable[[Path], object], name: str
) -> None:
    plant(tmp_path / name)
    assert Journal(tmp_path).replay("spool") is None
    if name == "tail.0":
        assert caplog.messages == [f"tail journal: {tmp_path / name} is no regular file; passed over"]
    written(tmp_path)
    assert found(tmp_path) == ([1, 2, 3], True)
    if plant is a_symbolic_link:
        assert (tmp_path / "precious").read_text() == "not ours"


@AS_ROOT
def test_a_file_of_another_user_is_not_believed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path, _ = written(tmp_path)
    os.chown(path, 12345, 12345)
    assert Journal(tmp_path).replay("spool") is None
    assert caplog.messages == [f"tail journal: {path} belongs to user 12345; passed over"]


def test_a_file_that_cannot_be_read_is_one_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, _ = written(tmp_path)

    def refuse(*arguments: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    assert Journal(tmp_path).replay("spool") is None
    assert caplog.messages == [f"tail journal: {path} cannot be read (Permission denied); passed over"]


def test_no_more_is_read_than_was_ever_written(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path, ends = written(tmp_path)
    os.truncate(path, 1 << 40)
    assert found(tmp_path) == ([1, 2, 3], False)
    assert f"from byte {ends[3]} on: {(1 << 40) - ends[3]} bytes are lost" in caplog.text


def test_no_more_is_written_than_is_read(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.begin(State(spool_id="spool").checkpoint())
    huge = Chunk(1, 1, 1, Regime("boot", 0, True), bytes(LIMIT_BYTES // 4), {"air": 1}, {})
    with pytest.raises(OSError, match="beyond what is read"):
        for _ in range(4):
            journal.append(huge)
    assert journal.size == (tmp_path / "tail.0").stat().st_size
    with pytest.raises(OSError, match="beyond what is read"):
        journal.begin(bytes(LIMIT_BYTES))
    assert [path.name for path in tmp_path.iterdir()] == ["tail.0"]
    assert found(tmp_path)[1]


def test_where_no_link_can_be_made_the_line_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object, **named: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    (tmp_path / "tail.1").write_bytes(b"garbage")
    assert Journal(tmp_path).replay("spool") is None
    assert caplog.messages[0].endswith("passed over; it could not be kept (Operation not permitted)")
