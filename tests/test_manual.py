"""The man pages and bash completion are written from the parser and the configuration's model, and miss nothing."""

import argparse
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from msgspec import inspect

from collector.cli import command_line
from collector.config.model import Configuration

MANUAL = Path(__file__).parent.parent / "packaging" / "manual"


def written(what: str) -> str:
    result = subprocess.run([sys.executable, str(MANUAL), what], capture_output=True, text=True, timeout=60, check=True)
    return result.stdout


def commands(parser: argparse.ArgumentParser, *path: str) -> Iterator[tuple[tuple[str, ...], set[str]]]:
    """Each command with its options and the commands below it."""
    words = set(parser._option_string_actions)
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for verb, child in action.choices.items():
                words.add(verb)
                yield from commands(child, *path, verb)
    yield path, words


def plain(roff: str) -> str:
    return re.sub(r"\\f[BIR]", "", roff).replace("\\-", "-")


COMMANDS = dict(commands(command_line()))


def test_edge_collector_1_has_every_command_and_option() -> None:
    sections = dict(re.findall(r"^\.SS (.*)\n((?:(?!\.S[SH]).*\n)*)", plain(written("command")), re.MULTILINE))
    assert set(sections) == {" ".join(path) for path in COMMANDS if path}
    for path, words in COMMANDS.items():
        for option in (word for word in words if path and word.startswith("-") and word not in ("-h", "--help")):
            assert re.search(rf"^(-\w, )?{option}( |,|$)", sections[" ".join(path)], re.MULTILINE), (path, option)


def test_edge_collector_toml_5_describes_every_key() -> None:
    page = plain(written("configuration"))
    tables = dict(re.findall(r"^\.SH \[(.*)\]\n((?:(?!\.SH).*\n)*)", page, re.MULTILINE))
    for field in msgspec.structs.fields(Configuration):
        node = inspect.type_info(field.type)
        if isinstance(node, inspect.StructType):
            described(node, tables[field.name])
            continue
        variants = dict(
            re.findall(
                r"^\.SS type = \\\(dq(.*)\\\(dq\n((?:(?!\.SS).*\n)*)", tables[f"{field.name}.NAME"], re.MULTILINE
            )
        )
        assert isinstance(node, inspect.DictType) and isinstance(node.value_type, inspect.UnionType)
        assert set(variants) == {str(variant.tag) for variant in node.value_type.types}
        for variant in node.value_type.types:
            described(variant, variants[str(variant.tag)])


def described(node: inspect.StructType, text: str) -> None:
    """A key that fails here needs a docstring in collector/config/model.py."""
    found = dict(re.findall(r"^\.TP\n(\w+) = .*\n(.*)", text, re.MULTILINE))
    assert set(found) == {field.encode_name for field in node.fields}
    for key, words in found.items():
        assert re.sub(r"Default: .*|Required\.", "", words).strip(), f"nothing is said of {key}"


@pytest.mark.skipif(shutil.which("man") is None, reason="needs man-db")
@pytest.mark.parametrize("what", ["command", "configuration"])
def test_man_has_nothing_to_say_against_a_page(what: str, tmp_path: Path) -> None:
    (page := tmp_path / "page").write_text(written(what))
    command = ["man", "--warnings", "--local-file", "--pager=cat", str(page)]
    result = subprocess.run(
        command, capture_output=True, text=True, timeout=60, env={"LC_ALL": "C.UTF-8", "MANWIDTH": "80"}
    )
    assert (result.returncode, result.stderr) == (0, "")


def test_bash_completes_what_the_parser_takes(tmp_path: Path) -> None:
    (script := tmp_path / "completion").write_text(written("completion"))
    asked = (
        "source $1; shift; COMP_WORDS=(edge-collector \"$@\" ''); COMP_CWORD=$(($# + 1)); "
        "_edge_collector; echo ${COMPREPLY[@]}"
    )
    for path, words in COMMANDS.items():
        command = ["bash", "-c", asked, "bash", str(script), *path]
        result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        assert set(result.stdout.split()) == words - {"-h"}, path
