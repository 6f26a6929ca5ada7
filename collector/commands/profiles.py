"""`edge-collector profiles ...`: look into firmware profiles and try them on captured bytes."""

import argparse
import os
import sys
from pathlib import Path

import msgspec

from collector.errors import ConfigurationError
from collector.profiles import USER_FOLDER, builtin_folder, load
from collector.profiles.decode import Decoding, decode
from collector.profiles.table import Hex

DONE, FAILED, WRONG_USAGE = 0, 1, 2


def add_to(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the verb; each verb below it sets `func`: the arguments in, the exit code out."""
    verbs = subparsers.add_parser("profiles", help="firmware profiles").add_subparsers(metavar="COMMAND", required=True)
    parser = verbs.add_parser(
        "decode",
        help="decode captured bytes",
        description="One JSON object a reading. Exit code 1 if none came or a complete frame was refused.",
    )
    parser.add_argument("id", metavar="ID", help="the profile")
    given = parser.add_mutually_exclusive_group(required=True)
    given.add_argument("--hex", metavar="HEX", help='captured bytes, such as "aa c0 d4 ..."')
    given.add_argument("--text", metavar="TEXT", help="captured text, taken as it is (UTF-8, no escapes)")
    given.add_argument("--file", metavar="PATH", type=Path, help="file with the captured bytes")
    parser.add_argument("--topic", metavar="T", help="the MQTT topic it came on")
    parser.add_argument("--folder", metavar="DIR", type=Path, help="look for profiles here first")
    parser.set_defaults(func=run_decode)


def run_decode(arguments: argparse.Namespace) -> int:
    try:
        data = _captured(arguments)
        profile = load(arguments.id, _folders(arguments.folder))
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return WRONG_USAGE
    decoding = decode(profile, [data], arguments.topic)
    for reading in decoding.readings:
        line = {"device": reading.device, "fields": reading.fields, "units": profile.units_of(reading)}
        sys.stdout.buffer.write(msgspec.json.encode(line) + b"\n")
    trouble = _trouble(decoding)
    if trouble:
        print(f"{profile.id}: {trouble}", file=sys.stderr)
    return DONE if decoding.readings and not decoding.refused else FAILED


def _folders(first: Path | None) -> list[Path]:
    """Raises ConfigurationError for a folder that is not there."""
    if first is None:
        return [USER_FOLDER, builtin_folder()]
    if not first.is_dir():
        raise ConfigurationError([f"--folder {first}: is not a folder"])
    return [first, USER_FOLDER, builtin_folder()]


def _captured(arguments: argparse.Namespace) -> bytes:
    """Raises ConfigurationError for bytes that cannot be had."""
    if arguments.hex is not None:
        try:
            return Hex.parse(arguments.hex)
        except ValueError as error:
            raise ConfigurationError([f"--hex: {error}"]) from None
    if arguments.text is not None:
        return os.fsencode(arguments.text)  # the bytes as they stood on the command line, also where not UTF-8
    file: Path = arguments.file
    try:
        return file.read_bytes()
    except OSError as error:
        raise ConfigurationError([f"--file {file}: {error.strerror}"]) from None


def _trouble(decoding: Decoding) -> str:
    """What went wrong, in one line; empty where nothing did."""
    parts = [f"{count} refused: {reason}" for reason, count in decoding.refused.items()]
    if parts and decoding.details:
        parts[-1] += f" ({' '.join(decoding.details[0].split())})"
    if decoding.incomplete:
        parts.append("incomplete frame at the end")
    if not parts and not decoding.readings:
        parts.append(f"no frame found in {decoding.garbage_bytes} bytes")
        if decoding.ignored:
            parts = [f"no reading: {decoding.ignored} frames of a kind the profile ignores"]
    return "; ".join(parts)
