"""`edge-collector profiles new`: the beginning of a profile, made from a capture."""

import argparse
import json
import re
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

from collector.commands.profiles import decode as captured
from collector.commands.profiles.candidates import Candidate, best, loaded
from collector.commands.profiles.folders import DONE, FAILED, WRONG_USAGE, searched
from collector.commands.profiles.guess import LOOKED_AT, Guess, guess
from collector.errors import ConfigurationError
from collector.profiles import Profile, load
from collector.profiles.decode import decode
from collector.profiles.library import FILE
from collector.profiles.payload.open import OpenPayload
from collector.profiles.profile import ID

IN_A_CASE = 3
"""Frames of the capture that become the first case."""

MOST_BYTES = 2048
"""Of that case."""

_CONTROL = re.compile(r"[^\t\r\n -~]")

HEAD = """\
id = {id}
name = "say what the device is called"
citation = "say which document describes its format"

[serial]
baudrate = 9600
"""


def add_to(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "new",
        help="begin a profile from a capture",
        description="Looks for frames, checksum and values in captured bytes, and writes a profile and a case to go on "
        "from. `profiles sniff PORT --save FILE` captures.",
    )
    parser.add_argument("id", metavar="ID", help="what the profile shall be called, such as vendor-model")
    captured.add_capture(parser)
    parser.add_argument(
        "--folder", metavar="DIR", type=Path, default=Path(), help="where its folder is made (default: here)"
    )
    parser.set_defaults(func=run)


def run(arguments: argparse.Namespace) -> int:
    folder: Path = arguments.folder / arguments.id
    try:
        if not ID.fullmatch(arguments.id):
            raise ConfigurationError([f"{arguments.id!r}: give an id of lower-case letters, digits, '-' and '.'"])
        if folder.exists():
            raise ConfigurationError([f"{folder}: is there already; choose another id, or go on with that one"])
        data = captured.capture(arguments)
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return WRONG_USAGE
    _tell_of_others(data)
    looks = guess(data)
    if looks is None:
        print(
            f"nothing repeats in {min(len(data), LOOKED_AT)} bytes; capture more, or at another baud rate",
            file=sys.stderr,
        )
        return FAILED
    try:
        (folder / "cases").mkdir(parents=True)
        (folder / FILE).write_text(_profile(arguments.id, looks))
        profile = load(arguments.id, [arguments.folder])
        (folder / "cases" / "captured.toml").write_text(_case(profile, data[data.find(looks.frame) :]))
    except OSError as error:
        print(f"{folder}: {error.strerror}; name another --folder", file=sys.stderr)
        return FAILED
    print(f"{folder / FILE}: {looks.why}")
    print(f"{folder / 'cases' / 'captured.toml'}: the first of them, and what they give as it stands")
    print("Now name the fields after the device's data sheet, with units and plausible ranges, and correct the case;")
    print(f"then: edge-collector profiles test {folder}")
    return DONE


def _tell_of_others(data: bytes) -> None:
    """A profile that knows its fields may be there already."""
    tried = [Candidate(profile) for profile in loaded(searched(None)) if profile.cuts_a_stream]
    for one in tried:
        one.feed(data)
        one.end()
    for one in best(tried):
        if one.readings and not isinstance(one.profile.declaration.payload, OpenPayload):
            print(f"{one.profile.id} reads it already ({one.readings} readings); is that not enough?", file=sys.stderr)


def _profile(id: str, looks: Guess) -> str:
    tables = {"framing": looks.framing, "checksum": looks.checksum, "payload": looks.payload}
    said = [HEAD.format(id=_toml(id)), f"# Guessed: {looks.why}."]
    for name, table in tables.items():
        if table is not None:
            said.extend(_table(name, table))
    return "\n".join(said) + "\n"


def _table(name: str, table: dict[str, Any]) -> Iterator[str]:
    """Lists of tables come last, as TOML wants them; other tables stand in one line."""
    lists = {key: value for key, value in table.items() if isinstance(value, list) and isinstance(value[0], dict)}
    yield ""
    yield f"[{name}]"
    yield from (f"{key} = {_toml(value)}" for key, value in table.items() if key not in lists)
    for key, entries in lists.items():
        for entry in entries:
            yield from _table(f"[{name}.{key}]", entry)


def _case(profile: Profile, data: bytes) -> str:
    """The first frames, and what they give."""
    framer, end, frames = profile.framer(), 0, 0
    while frames < IN_A_CASE and end < min(len(data), MOST_BYTES):
        frames += len(framer.feed(data[end : end + 1]))
        end += 1
    shown = data[:end]
    result = decode(profile, [shown])
    text = shown.decode("ascii", "replace")
    lines = [
        f"citation = {_toml(f'captured on {date.today().isoformat()}')}",
        f"text = {_toml(text)}" if text.isascii() and not _CONTROL.search(text) else f"hex = {_toml(shown.hex(' '))}",
    ]
    if result.refused:
        lines.append(f"refused = {_toml(dict(result.refused))}")
    if result.incomplete:
        lines.append("incomplete = true")
    for reading in result.readings:
        fields = {name: value for name, value in reading.fields.items() if value is not None}
        null = [name for name, value in reading.fields.items() if value is None]
        lines += ["", "[[readings]]"]
        lines += [f"device = {_toml(reading.device)}"] if reading.device is not None else []
        lines += [f"fields = {_toml(fields)}"] + ([f"null = {_toml(null)}"] if null else [])
        lines += [f"suspect = {_toml(reading.suspect)}"] if reading.suspect else []
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    """TOML's basic strings, numbers, booleans and arrays are written as JSON writes them."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_key(key)} = {_toml(one)}" for key, one in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value)


def _key(key: str) -> str:
    return key if key.replace("_", "").replace("-", "").isalnum() and key.isascii() else json.dumps(key)
