"""`profiles new`: a capture becomes a profile that loads and passes its case as it stands."""

import argparse
import random
from pathlib import Path
from typing import Any

import pytest

from collector.commands import profiles
from tests.profiles.test_guess import Device, with_length_and_crc, with_negated_sum8, with_sum8_before_the_end


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Any:
    def command(*words: str) -> tuple[int, str, str]:
        parser = argparse.ArgumentParser()
        profiles.add_to(parser.add_subparsers())
        arguments = parser.parse_args(["profiles", *words])
        code = arguments.func(arguments)
        return (code, *capsys.readouterr())

    return command


def capture(folder: Path, data: bytes) -> str:
    (file := folder / "capture.bin").write_bytes(data)
    return str(file)


@pytest.mark.parametrize("device", [with_negated_sum8, with_length_and_crc])
def test_frames_become_a_profile(run: Any, tmp_path: Path, device: Device) -> None:
    chance = random.Random(1)
    file = capture(tmp_path, b"".join(device(chance) for _ in range(20)))
    code, out, error = run("new", "my-device", "--file", file, "--folder", str(tmp_path))
    assert (code, error) == (0, "")
    assert "all with a right" in out
    code, out, _ = run("test", str(tmp_path / "my-device"))
    assert (code, out.splitlines()[0]) == (0, "my-device: 1 passed")


def test_lines_become_a_profile(run: Any, tmp_path: Path) -> None:
    lines = b'5;"\r\n' + b"".join(b'%d.5;"on"\r\n' % n for n in range(9))
    assert run("new", "lines", "--file", capture(tmp_path, lines), "--folder", str(tmp_path))[0] == 0
    assert 'fields = { c0 = 0.5, c1 = "\\"on\\"" }' in (tmp_path / "lines" / "cases" / "captured.toml").read_text()
    assert run("test", str(tmp_path / "lines"))[0] == 0


def test_a_profile_that_reads_it_already_is_named(run: Any, tmp_path: Path) -> None:
    chance = random.Random(1)
    file = capture(tmp_path, b"".join(with_sum8_before_the_end(chance) for _ in range(5)))
    code, _, error = run("new", "mine", "--file", file, "--folder", str(tmp_path))
    assert code == 0
    assert "nova-sds011 reads it already (5 readings)" in error


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["new", "A B", "--text", "x"], 2, "'A B': give an id of lower-case letters"),
        (["new", "here", "--text", "x"], 2, "here: is there already"),
        (["new", "mine", "--hex", "zz"], 2, "--hex: "),
        (["new", "mine", "--file", "nowhere"], 2, "--file nowhere: No such file"),
        (["new", "mine", "--hex", "00 01 02"], 1, "nothing repeats in 3 bytes"),
    ],
)
def test_bad_input(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], code: int, said: str
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path)
    got, out, error = run(*words)
    assert (got, out) == (code, "")
    assert said in error
    assert len(error.splitlines()) == 1
    assert not (tmp_path / "mine").exists()
