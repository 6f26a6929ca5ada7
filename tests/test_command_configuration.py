"""What the commands about a configuration share."""

import argparse
from pathlib import Path

import pytest

from collector.commands import configuration
from collector.config.load import Loaded, load
from collector.errors import CollectorError


def run(loaded: Loaded, arguments: argparse.Namespace) -> int:
    if arguments.fail:
        raise CollectorError("the disk is full; make room")
    return len(loaded.configuration.sources)


@pytest.mark.parametrize(
    ("text", "more", "code", "said"),
    [
        ('sources.host.type = "host"', [], 1, []),
        ("spol = 1\nlgo = 2", [], 2, ["collector.toml: spol: ", "collector.toml: lgo: "]),
        ("", ["--fail"], 1, ["edge-collector verb: the disk is full; make room"]),
    ],
    ids=["what it returns", "mistakes", "a failure"],
)
def test_how_it_ends(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, more: list[str], code: int, said: list[str]
) -> None:
    file = tmp_path / "collector.toml"
    file.write_text(text)
    parser = argparse.ArgumentParser(prog="edge-collector verb")
    parser.add_argument("--fail", action="store_true")
    configuration.command(parser, load, run)
    arguments = parser.parse_args(["-c", str(file), *more])
    assert arguments.func(arguments) == code
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == len(said)
    assert all(line.startswith(start) for line, start in zip(lines, said, strict=True))


def test_without_the_option_it_is_the_services_own() -> None:
    parser = argparse.ArgumentParser()
    configuration.command(parser, load, run)
    assert parser.parse_args([]).config == Path("/etc/edge-collector/collector.toml")
