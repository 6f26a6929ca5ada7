"""The file behind the file sink: torn, rotated, full, moved away, not ours."""

import errno
import json
import os
import stat
from pathlib import Path

import pytest

from collector.clock import Regime
from collector.reading import Reading
from collector.segment import Part, Segment, encode
from collector.sinks import json_lines
from collector.sinks.file import FileSink
from collector.sinks.json_lines import JsonLines, Line
from tests.spool.clock import HandClock

E1, E2 = "00000000000000aa", "00000000000000bb"
COLLECTOR = 'bö"x'


def line(seq: int, epoch: str = E1, size: int = 0) -> Line:
    text = json.dumps({"id": f"{COLLECTOR}/{epoch}/{seq}", "x": "x" * size}, ensure_ascii=False, separators=(",", ":"))
    return Line(seq, text.encode() + b"\n")


def lines(*seqs: int, epoch: str = E1, size: int = 0) -> list[Line]:
    return [line(seq, epoch, size) for seq in seqs]


def made(
    path: Path, *, max_bytes: int = 1 << 20, max_age: float | None = None, keep: int = 3, wall: float = 0.0
) -> JsonLines:
    clock = HandClock()
    file = JsonLines(
        path, COLLECTOR, max_bytes=max_bytes, max_age=max_age, keep=keep, now=clock.monotonic, wall=lambda: wall
    )
    file.clock = clock  # type: ignore[attr-defined]
    file.open()
    return file


def seqs(path: Path) -> list[int]:
    return [int(json.loads(text)["id"].rpartition("/")[2]) for text in path.read_text().splitlines()]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "readings.jsonl"


def test_lines_are_on_disk_when_append_returns(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = made(path)
    synced: list[int] = []
    monkeypatch.setattr(os, "fdatasync", lambda fd: synced.append(os.fstat(fd).st_size))
    file.append(E1, lines(1, 2, 3))
    assert synced == [path.stat().st_size]
    assert seqs(path) == [1, 2, 3]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_what_stands_there_is_skipped_after_a_restart(path: Path) -> None:
    file = made(path)
    file.append(E1, lines(1, 2, 3))
    file.append(E2, lines(1, 2, epoch=E2))
    again = made(path)
    again.append(E1, lines(2, 3, 4))
    again.append(E2, lines(1, 2, epoch=E2))
    again.append(E2, lines(3, epoch=E2))
    assert seqs(path) == [1, 2, 3, 1, 2, 4, 3]


@pytest.mark.parametrize("torn", [b"{", b'{"id":"box/00', line(4).text[:-1], bytes(9), bytes(3 << 20)])
def test_a_torn_last_line_is_trimmed_and_comes_again(path: Path, torn: bytes) -> None:
    path.write_bytes(b"".join(each.text for each in lines(1, 2, 3)) + torn)
    file = made(path)
    file.append(E1, lines(3, 4))
    assert seqs(path) == [1, 2, 3, 4]


@pytest.mark.parametrize("torn", [b"{", line(1).text[:-1], b"", bytes(100), bytes(3 << 20), b"{" + bytes(100)])
def test_nothing_but_a_torn_line(path: Path, torn: bytes) -> None:
    path.write_bytes(torn)
    made(path).append(E1, lines(1))
    assert seqs(path) == [1]


def test_lines_that_end_on_the_borders_of_what_is_read_at_a_time(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = b"".join(each.text for each in lines(*range(1, 30)))
    for chunk in range(40, 130):
        monkeypatch.setattr(json_lines, "_CHUNK", chunk)
        path.write_bytes(whole + b'{"id":"torn')
        made(path).append(E1, lines(28, 29, 30))
        assert seqs(path) == list(range(1, 31))


def test_the_oldest_goes_when_the_file_is_full(path: Path) -> None:
    file = made(path, max_bytes=200, keep=2)
    for seq in range(1, 9):
        file.append(E1, lines(seq, size=100))
    found = {each.name: seqs(each) for each in sorted(path.parent.iterdir())}
    assert found == {"readings.jsonl": [8], "readings.jsonl.1": [7], "readings.jsonl.2": [6]}


def test_the_file_is_rotated_by_its_age(path: Path) -> None:
    file = made(path, max_age=3600.0)
    clock: HandClock = file.clock  # type: ignore[attr-defined]
    clock.now += 4000
    file.append(E1, lines(1))
    clock.now += 3599
    file.append(E1, lines(2))
    clock.now += 1
    file.append(E1, lines(3))
    assert (seqs(path), seqs(path.with_name("readings.jsonl.1"))) == ([3], [1, 2])


def timed(path: Path, time: str) -> Line:
    """The only line of the file, with the reading's time."""
    text = line(1).text.replace(b'"x"', b'"time":"%b","x"' % time.encode())
    path.write_bytes(text)
    return Line(1, text)


NOON = 1_800_014_400.0  # 2027-01-15T12:00:00Z


@pytest.mark.parametrize(
    ("time", "rotated"),
    [
        ("2027-01-15T11:00:00Z", True),
        ("2027-01-15T10:59:59.123456Z", True),
        ("2027-01-15T11:00:01Z", False),
        ("2027-01-15T13:00:00Z", False),
        ("soon", False),
    ],
    ids=["an hour old", "older", "younger", "the clock was set back", "no time"],
)
def test_the_age_counts_from_the_first_line_also_after_a_restart(path: Path, time: str, rotated: bool) -> None:
    timed(path, time)
    made(path, max_age=3600.0, wall=NOON).append(E1, lines(2))
    assert path.with_name("readings.jsonl.1").exists() == rotated


def test_the_rest_of_the_age_passes_by_the_monotonic_clock(path: Path) -> None:
    timed(path, "2027-01-15T11:30:00Z")
    file = made(path, max_age=3600.0, wall=NOON)
    clock: HandClock = file.clock  # type: ignore[attr-defined]
    clock.now += 1799
    file.append(E1, lines(2))
    clock.now += 1
    file.append(E1, lines(3))
    assert seqs(path) == [3]


def test_a_device_in_the_past_has_the_file_rotated_once_and_not_at_every_start(path: Path) -> None:
    before = path.with_name("readings.jsonl.1")
    before.write_bytes(line(7).text)
    os.utime(before, (NOON - 60, NOON - 60))
    timed(path, "1970-01-01T00:00:09Z")
    made(path, max_age=3600.0, wall=NOON).append(E2, lines(2, epoch=E2))
    assert seqs(path) == [1, 2]


def test_a_smaller_keep_deletes_what_is_too_much_and_nothing_else(path: Path) -> None:
    file = made(path, max_bytes=200, keep=5)
    for seq in range(1, 8):
        file.append(E1, lines(seq, size=100))
    path.with_name("readings.jsonl.3").unlink()
    for name in ("readings.jsonl.20261123", "readings.jsonl.gz"):
        path.with_name(name).touch()
    again = made(path, max_bytes=200, keep=2)
    again.append(E1, lines(8, size=100))
    assert {each.name for each in path.parent.iterdir()} == {
        *("readings.jsonl", "readings.jsonl.1", "readings.jsonl.2", "readings.jsonl.20261123", "readings.jsonl.gz")
    }
    assert [seqs(path.with_name(f"readings.jsonl{n}")) for n in ("", ".1", ".2")] == [[8], [7], [6]]


def test_a_rotation_cut_short_pushes_nothing_out(path: Path) -> None:
    file = made(path, max_bytes=200, keep=3)
    for seq in range(1, 5):
        file.append(E1, lines(seq, size=100))
    path.with_name("readings.jsonl.2").rename(path.with_name("readings.jsonl.4"))
    path.with_name("readings.jsonl.4").unlink()
    file.append(E1, lines(5, size=100))
    assert [seqs(path.with_name(f"readings.jsonl.{n}")) for n in (1, 2, 3)] == [[4], [3], [1]]


def test_identities_in_the_file_that_was_just_full_count_too(path: Path) -> None:
    file = made(path, max_bytes=200)
    file.append(E1, lines(1, 2, size=100))
    file.append(E1, lines(3, size=100))
    again = made(path, max_bytes=200)
    again.append(E1, lines(2, 3))
    assert seqs(path) == [3]


def test_a_kill_between_the_rename_and_the_new_file(path: Path) -> None:
    made(path).append(E1, lines(1, 2))
    path.rename(path.with_name("readings.jsonl.1"))
    made(path).append(E1, lines(2, 3))
    assert seqs(path) == [3]


@pytest.mark.parametrize("call", ["write", "fdatasync"])
def test_a_full_disk_leaves_no_half_of_anything(path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    file = made(path)
    file.append(E1, lines(1))
    write = os.write

    def fails(fd: int, data: bytes = b"") -> int:
        if len(data) > 40:
            return write(fd, data[:40])
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, call, fails)
        with pytest.raises(OSError, match="No space left"):
            file.append(E1, lines(2, 3))
    assert seqs(path) == [1]
    file.append(E1, lines(2, 3))
    assert seqs(path) == [1, 2, 3]


def test_what_could_not_be_taken_back_is_found_at_the_next_opening(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = made(path)

    def fails(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fdatasync", fails)
        patched.setattr(os, "ftruncate", fails)
        with pytest.raises(OSError):
            file.append(E1, lines(1, 2))
        with pytest.raises(OSError, match="not open"):
            file.append(E1, lines(1, 2))
    file.open()
    file.append(E1, lines(1, 2, 3))
    assert seqs(path) == [1, 2, 3]


@pytest.mark.parametrize("how", ["moved", "deleted", "replaced"])
def test_a_file_taken_away_is_begun_anew(path: Path, how: str) -> None:
    file = made(path)
    file.append(E1, lines(1))
    path.rename(path.with_name("elsewhere")) if how == "moved" else path.unlink()
    if how == "replaced":
        path.write_bytes(line(7).text)
    file.append(E1, lines(2))
    assert seqs(path)[-1] == 2


def test_a_file_that_is_not_ours_is_left_alone(path: Path) -> None:
    for content in (b"SQLite format 3\0", b"some notes", b"\0\0notes", b'{"id":"' + b"x" * (3 << 20)):
        path.write_bytes(content)
        with pytest.raises(OSError, match="something else than readings; name another file"):
            made(path)
        assert path.read_bytes() == content


def test_what_is_no_file_is_refused(tmp_path: Path, path: Path) -> None:
    path.mkdir()
    with pytest.raises(OSError, match="is no regular file; name another"):
        made(path)
    os.mkfifo(fifo := tmp_path / "fifo")
    with pytest.raises(OSError, match="is no regular file; name another"):
        made(fifo)
    with pytest.raises(OSError, match="is no directory; create it"):
        made(tmp_path / "none" / "readings.jsonl")


def test_memory_is_bounded_by_the_epochs_of_the_last_runs(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_lines, "MOST_EPOCHS", 3)
    path.write_bytes(b"".join(line(1, f"{epoch:016x}").text for epoch in range(100)))
    assert len(made(path)._highest or {}) == 3


def exchange_for_a_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


async def test_each_fault_is_one_line_that_names_the_file(path: Path) -> None:
    readings = [Reading(n, "meter", "d", 1, "synced", {"n": n}) for n in (1, 2, 3)]
    part = Part(Segment(1, E1, 1, 3, Regime("b", 0, True), encode(readings)), 0, 3)
    sink = FileSink(JsonLines(path, "box", max_bytes=1 << 20, max_age=None, keep=1), "box")
    outcome = await sink.deliver(part)
    assert (outcome.verdict, outcome.reason) == ("retry", f"{path}: not open")
    await sink.open()
    assert (await sink.deliver(part)).verdict == "settled"
    assert seqs(path) == [1, 2, 3]
    exchange_for_a_directory(path)
    outcome = await sink.deliver(part._replace(lo=2))
    assert outcome.verdict == "retry" and outcome.reason == f"{path}: is no regular file; name another"
    await sink.close()
