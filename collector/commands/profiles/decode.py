"""`edge-collector profiles decode`: captured bytes through a profile."""

import argparse
import os
import sys
from pathlib import Path

import msgspec

from collector.commands.profiles.folders import DONE, FAILED, WRONG_USAGE, add_option, searched
from collector.errors import ConfigurationError
from collector.profiles import Profile, load
from collector.profiles.decode import Decoding, decode
from collector.profiles.table import Hex
from collector.reading import Decoded

MOST_BYTES = 16 * 1024 * 1024
"""Of a file, which may be a device without end."""


def add_to(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "decode",
        help="decode captured bytes",
        description="One JSON object a reading. Exit code 1 if none came or a complete frame was refused.",
    )
    parser.add_argument("id", metavar="ID", help="the profile")
    add_capture(parser)
    parser.add_argument("--topic", metavar="T", help="the MQTT topic it came on")
    parser.add_argument(
        "--request", metavar="HEX", help="the Modbus request that was answered; default: the profile's first that fits"
    )
    add_option(parser)
    parser.set_defaults(func=run)


def add_capture(parser: argparse.ArgumentParser) -> None:
    """Options for what `capture` answers."""
    given = parser.add_mutually_exclusive_group(required=True)
    given.add_argument("--hex", metavar="HEX", help='captured bytes, such as "aa c0 d4 ..."')
    given.add_argument("--text", metavar="TEXT", help="captured text, taken as it is (UTF-8, no escapes)")
    given.add_argument("--file", metavar="PATH", type=Path, help="file with the captured bytes")


def run(arguments: argparse.Namespace) -> int:
    try:
        data = capture(arguments)
        profile = load(arguments.id, searched(arguments.folder))
        if arguments.request is not None:
            profile = profile.answering(_hex("--request", arguments.request))
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return WRONG_USAGE
    decoding = decode(profile, [data], arguments.topic)
    for reading in decoding.readings:
        sys.stdout.buffer.write(as_json(profile, reading) + b"\n")
    trouble = _trouble(decoding)
    if trouble:
        print(f"{profile.id}: {trouble}", file=sys.stderr)
    return DONE if decoding.readings and not decoding.refused else FAILED


def as_json(profile: Profile, reading: Decoded) -> bytes:
    """A reading with its units, in one line."""
    line = {"device": reading.device, "fields": reading.fields, "units": profile.units_of(reading)}
    return msgspec.json.encode(line)


def _hex(option: str, text: str) -> bytes:
    try:
        return Hex.parse(text)
    except ValueError as error:
        raise ConfigurationError([f"{option}: {error}"]) from None


def capture(arguments: argparse.Namespace) -> bytes:
    """Raises ConfigurationError for bytes that cannot be had."""
    if arguments.hex is not None:
        return _hex("--hex", arguments.hex)
    if arguments.text is not None:
        return os.fsencode(arguments.text)  # the bytes as they stood on the command line, also where not UTF-8
    file: Path = arguments.file
    try:
        with file.open("rb") as captured:
            data = captured.read(MOST_BYTES + 1)
    except OSError as error:
        raise ConfigurationError([f"--file {file}: {error.strerror}"]) from None
    if len(data) > MOST_BYTES:
        raise ConfigurationError([f"--file {file}: holds more than {MOST_BYTES >> 20} MiB; cut out a part"])
    return data


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
