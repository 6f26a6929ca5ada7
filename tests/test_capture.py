"""Captures: what is recorded comes back to the byte, and nothing that goes wrong with them hurts anything else."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector import capture
from collector.capture import Piece, Recorder, pieces, read_head
from collector.errors import ConfigurationError


def recorder(folder: Path, messages: bool = False) -> Recorder:
    return Recorder(folder, "air", "nova-sds011", messages, 100.0)


@given(st.lists(st.tuples(st.binary(max_size=40), st.none() | st.text(max_size=10)), max_size=10))
def test_what_is_recorded_comes_back(
    tmp_path_factory: pytest.TempPathFactory, came: list[tuple[bytes, str | None]]
) -> None:
    made = recorder(tmp_path_factory.mktemp("captures"))
    for at, (data, topic) in enumerate(came):
        assert made.record(data, topic, 100.5 + at)
    assert list(pieces(made.path)) == [Piece(0.5 + at, topic, data) for at, (data, topic) in enumerate(came)]


def test_the_first_line_says_what_it_is(tmp_path: Path) -> None:
    head = read_head(recorder(tmp_path, messages=True).path)
    assert (head.source, head.profile, head.messages) == ("air", "nova-sds011", True)


def test_two_recordings_of_one_source_are_two_files(tmp_path: Path) -> None:
    assert recorder(tmp_path).path != recorder(tmp_path).path


def test_a_torn_last_line_is_left_out(tmp_path: Path) -> None:
    made = recorder(tmp_path)
    made.record(b"a", None, 100.0)
    made.record(b"b", None, 101.0)
    made.path.write_bytes(made.path.read_bytes()[:-5])
    assert [piece.data for piece in pieces(made.path)] == [b"a"]


NESTED = '{"t": 1, "x": ' + "[" * 100_000


@pytest.mark.parametrize("line", ['{"t": 1, "hex": "zz"}', '{"t": "x"}', "nonsense", "[]", NESTED])
def test_a_wrong_line_is_named(tmp_path: Path, line: str) -> None:
    made = recorder(tmp_path)
    made.record(b"a", None, 100.0)
    with made.path.open("a") as file:
        file.write(line + "\n")
    with pytest.raises(ValueError, match="line 3: "):
        list(pieces(made.path))


@pytest.mark.parametrize("text", ["", "{}", '{"capture":"2"}', "\x00" * 70_000, NESTED])
def test_a_file_that_is_no_capture(tmp_path: Path, text: str) -> None:
    (file := tmp_path / "file").write_text(text)
    with pytest.raises(ConfigurationError, match="is no capture"):
        read_head(file)


def test_a_fifo_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(ConfigurationError, match="is no file"):
        read_head(tmp_path / "fifo")


def test_a_line_without_end_is_not_taken_into_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capture, "LONGEST_LINE", 1 << 20)
    made = recorder(tmp_path)
    with made.path.open("ab") as file:
        file.write(bytes(1 << 21))
    with pytest.raises(ValueError, match="line 2: longer than 1 MiB"):
        list(pieces(made.path))


def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="No such file or directory; name another directory"):
        recorder(tmp_path / "nowhere")


def test_a_full_disk_ends_the_recording() -> None:
    made = recorder(Path("/dev/shm"))
    try:
        assert made._file is not None
        made._file.close()
        made._file = Path("/dev/full").open("wb", buffering=0)  # noqa: SIM115
        assert not made.record(b"a", None, 100.0)
        assert made.trouble == "No space left on device"
        assert not made.record(b"a", None, 100.0)
    finally:
        made.path.unlink()


def test_a_forgotten_recording_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capture, "MOST_BYTES", 1 << 20)
    made = recorder(tmp_path)
    count = 0
    while made.record(bytes(1000), None, 100.0):
        count += 1
    assert made.trouble == "1 MiB recorded"
    assert count == pytest.approx((1 << 20) / 1000, rel=0.9)
