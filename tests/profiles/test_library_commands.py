"""`profiles list`, `show` and `test`: what they print and their exit codes."""

import argparse
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from collector.commands import profiles
from collector.profiles import available, builtin_folder

MINE = """
id = "mine"
name = "My | device"
citation = "a notebook"
framing.type = "delimiter"
payload.type = "json"
serial = { baudrate = 1200, bytesize = 7, parity = "even" }
"""
GOOD_CASE = 'citation = "-"\ntext = \'{"a":1}\'\n[[readings]]\nfields = { a = 1 }\n'
WRONG_CASE = GOOD_CASE.replace("a = 1", "a = 2")


class Result(NamedTuple):
    code: int
    out: str
    error: str


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Any:
    def profiles_command(*words: str) -> Result:
        parser = argparse.ArgumentParser()
        profiles.add_to(parser.add_subparsers())
        arguments = parser.parse_args(["profiles", *words])
        code = arguments.func(arguments)
        return Result(code, *capsys.readouterr())

    return profiles_command


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With the profile `mine` and one right case."""
    (tmp_path / "mine" / "cases").mkdir(parents=True)
    (tmp_path / "mine" / "profile.toml").write_text(MINE)
    (tmp_path / "mine" / "cases" / "right.toml").write_text(GOOD_CASE)
    return tmp_path


def test_list(run: Any, folder: Path) -> None:
    code, out, error = run("list", "--folder", str(folder))
    assert (code, error) == (0, "")
    head, *lines = out.splitlines()
    assert head.split() == ["id", "name", "form", "origin", "citation"]
    assert [line.split()[0] for line in lines] == sorted([*available([builtin_folder()]), "mine"])
    [mine] = [line for line in lines if line.startswith("mine ")]
    assert mine.split("  ")[-1] == "a notebook"
    assert str(folder) in mine and "delimiter / json" in mine
    assert all(len(line) - len(str(folder)) < 200 for line in lines), "however long the folder, which has a column"


def test_list_in_markdown(run: Any, folder: Path) -> None:
    out = run("list", "--markdown", "--folder", str(folder)).out
    assert "| `mine` | My \\| device | delimiter / json | a notebook |\n" in out


def test_list_names_what_cannot_be_loaded(run: Any, folder: Path) -> None:
    (folder / "mine" / "profile.toml").write_text("id = ")
    code, out, error = run("list", "--folder", str(folder))
    assert code == 1
    assert "nova-sds011" in out and "mine" not in out
    assert error.startswith(f"{folder}/mine/profile.toml: ")


def test_list_on_a_terminal_is_a_table() -> None:
    script = (
        "import sys; sys.stdout.isatty = lambda: True\n"
        "from collector.cli import main; sys.exit(main(['profiles', 'list']))"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert result.returncode == 0
    assert "─" in result.stdout and "tasmota" in result.stdout


@pytest.mark.parametrize("id", available([builtin_folder()]))
@pytest.mark.parametrize("words", [[], ["--markdown"]])
def test_show_every_profile(run: Any, id: str, words: list[str]) -> None:
    code, out, error = run("show", id, *words)
    assert (code, error) == (0, "")
    assert id in out.splitlines()[0]
    assert "citation" in out and "built-in" in out


def test_show(run: Any, folder: Path) -> None:
    out = run("show", "plantower-pms5003").out
    assert "  serial line  9600 baud, 8N1\n" in out
    assert "frames that begin with 42 4d and say their length; 32 bytes\n" in out
    assert "pm2_5_atm ug/m3 0 to 1000 bytes [12, 14) u16be" in [" ".join(line.split()) for line in out.splitlines()]
    assert "1200 baud, 7E1" in run("show", "mine", "--folder", str(folder)).out
    assert "| `t` | degC | number |\n" in run("show", "csv-lines", "--markdown").out
    assert "degF if TempUnit is F" in run("show", "tasmota").out
    assert "{prefix#}/status: device {prefix}, field availability" in run("show", "esphome").out
    code, out, error = run("show", "tasmoto")
    assert (code, out) == (2, "")
    assert error == "profile 'tasmoto' is not known; did you mean 'tasmota'?\n"


def test_test_all(run: Any) -> None:
    code, out, error = run("test")
    assert (code, error) == (0, "")
    *profiles, total = out.splitlines()
    assert [line.split(":")[0] for line in profiles] == list(available([builtin_folder()]))
    assert all(line.endswith(" passed") for line in profiles)
    assert total.endswith(f" cases of {len(profiles)} profiles, 0 failed")


def test_test_some(run: Any, folder: Path) -> None:
    mine = "mine: 1 passed\n"
    assert run("test", "mine", "--folder", str(folder)).out == mine + "1 cases of 1 profiles, 0 failed\n"
    assert run("test", str(folder / "mine")).out.startswith(mine)
    assert run("test", str(folder), "nova-sds011").out.startswith(mine + "nova-sds011: ")


def test_test_says_what_failed(run: Any, folder: Path) -> None:
    (folder / "mine" / "cases" / "wrong.toml").write_text(WRONG_CASE)
    (folder / "mine" / "cases" / "options.toml").write_text(GOOD_CASE.replace("[[", "options.columns = ['a']\n[[", 1))
    code, out, error = run("test", str(folder / "mine"))
    assert (code, error) == (1, "")
    assert out.splitlines() == [
        "mine: 2 FAILED of 3",
        "  options:",
        "    options.columns: profile 'mine' does not read lines of values; remove the key",
        "  wrong:",
        "    readings: expected [(None, {'a': 2}, {}, None, [])], got [(None, {'a': 1}, {}, None, [])]",
        "3 cases of 1 profiles, 2 failed",
    ]


def test_test_of_files_that_are_wrong(run: Any, folder: Path) -> None:
    (folder / "mine" / "cases" / "right.toml").write_text("citation = 1")
    code, out, _ = run("test", str(folder / "mine"))
    assert code == 1
    assert "mine: 1 FAILED of 0" in out and "right.toml: citation: " in out


def test_test_of_what_is_not_there(run: Any, tmp_path: Path) -> None:
    assert run("test", "nova-sds01")[::2] == (
        2,
        "'nova-sds01' is neither a profile nor a folder; did you mean 'nova-sds011'?\n",
    )
    assert run("test", str(tmp_path))[::2] == (2, f"{tmp_path}: holds no profile.toml, nor folders that do\n")


def test_rich_and_the_mqtt_client_are_imported_only_where_they_are_used() -> None:
    script = (
        "import sys; from collector.cli import main; main(['profiles', 'list']);"
        "print([name for name in ('rich', 'aiomqtt', 'serial') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert result.stdout.splitlines()[-1] == "[]"
