"""`profiles show ID --markdown`: the page of every profile says what the profile says, and its examples work."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest

from collector.check import load_checked
from collector.cli import main
from collector.profiles import available, builtin_folder, load

IDS = list(available([builtin_folder()]))


def page(id: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["profiles", "show", id, "--markdown"]) == 0
    return capsys.readouterr().out


def block(text: str, language: str) -> str:
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    return str(found)


def declared(value: Any, key: str) -> set[str]:
    """What stands under `key` anywhere in a declaration."""
    if isinstance(value, list):
        return set().union(*(declared(one, key) for one in value))
    if not isinstance(value, dict):
        return set()
    own = value[key] if isinstance(value.get(key), str) else None
    return {own} - {None} | set().union(*(declared(one, key) for one in value.values()))  # type: ignore[arg-type]


@pytest.mark.parametrize("id", IDS)
def test_every_field_and_unit_is_on_the_page(id: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = page(id, capsys)
    payload = load(id, [builtin_folder()]).declaration.payload
    said = msgspec.to_builtins(payload)
    columns = [line.split(" | ") for line in text.splitlines() if line.startswith("| `")]
    for name in declared(said, "name") - {"identification"}:
        assert any(re.fullmatch(rf"\| `(ch<channel>\.)?{re.escape(name)}`", row[0]) for row in columns), name
    for unit in declared(said, "unit"):
        assert any(unit in row[1].rstrip(" |") for row in columns), unit
    assert load(id, [builtin_folder()]).citation in text


@pytest.mark.parametrize("id", IDS)
def test_the_configuration_passes_the_check(id: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (file := tmp_path / "collector.toml").write_text(block(page(id, capsys), "toml"))
    assert list(load_checked(file).configuration.sources) == ["mine"]


def test_the_commands_print_what_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    pages = {id: page(id, capsys) for id in IDS}
    words = {id: _typed_in_bash(block(text, "sh")) for id, text in pages.items()}
    for id, text in pages.items():
        assert main(words[id][1:]) == 0, id
        shown = capsys.readouterr()
        assert (shown.out, shown.err) == (block(text, "json"), ""), id
        assert json.loads(shown.out)["fields"], id


def _typed_in_bash(line: str) -> list[str]:
    """The command's words, as bash hands them over."""
    result = subprocess.run(["bash", "-c", f"printf '%s\\0' {line}"], capture_output=True, check=True, timeout=60)
    return result.stdout.decode().split("\0")[:-1]
