"""`init`: what it writes passes `check`, grows as its comments say, and takes nobody's file away."""

from pathlib import Path

import pytest

from collector.check import load_checked
from collector.cli import main
from collector.commands import init


def test_what_it_writes_passes_check_and_it_says_what_comes_next(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "collector.toml"
    assert main(["init", str(file)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 2
    assert said[0].endswith(f"edge-collector check -c {file}")
    assert said[1].endswith(f"edge-collector run -c {file}")
    configuration = load_checked(file).configuration
    assert configuration.collector.data_dir == tmp_path / "edge-collector-data"
    assert (list(configuration.sources), list(configuration.sinks)) == (["host"], ["cloud"])
    assert main(["check", "-c", str(file)]) == 0


def test_it_has_six_lines_that_say_something(tmp_path: Path) -> None:
    text = init.configuration(tmp_path / "collector.toml", ports=tmp_path)
    assert len([line for line in text.splitlines() if line and not line.startswith("#")]) == 6


def test_a_file_that_is_there_stays_unless_forced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "collector.toml"
    file.write_text("mine")
    assert main(["init", str(file)]) == 1
    assert file.read_text() == "mine"
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", f"{file} is there already; choose another name, or --force to replace it\n")
    assert main(["init", str(file), "--force"]) == 0
    assert load_checked(file)


@pytest.mark.parametrize("name", ["missing/collector.toml", "."])
def test_a_file_that_cannot_be_written(tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", str(tmp_path / name), "--force"]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_serial_ports_are_suggested(tmp_path: Path) -> None:
    ports = tmp_path / "by-id"
    ports.mkdir()
    for name in ("usb-b", 'usb-"a"'):
        (ports / name).touch()
    file = tmp_path / "collector.toml"
    text = init.configuration(file, ports)
    lines = text.splitlines()
    start = next(at for at, line in enumerate(lines) if line.startswith("# [sources.sensor1]"))
    lines[start:] = [line if "`" in line else line.removeprefix("# ") for line in lines[start:]]
    file.write_text("\n".join(lines))
    sources = load_checked(file).configuration.sources
    assert list(sources) == ["host", "sensor1", "sensor2"]
    assert sources["sensor1"].port == str(ports / 'usb-"a"')  # type: ignore[union-attr]


def test_for_the_service_readings_go_where_the_service_may_write() -> None:
    text = init.configuration(Path("/etc/edge-collector/collector.toml"))
    assert 'collector.data_dir = "/var/lib/edge-collector"\n' in text
