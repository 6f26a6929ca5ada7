"""`edge-collector profiles show`: what one profile reads, in words."""

import argparse
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from collector.commands.profiles.example import configuration, decoded
from collector.commands.profiles.fields import FieldRow, fields_of
from collector.commands.profiles.folders import DONE, WRONG_USAGE, add_option, origin, searched
from collector.errors import ConfigurationError
from collector.profiles import Profile, available, load
from collector.profiles.cases import Case, cases
from collector.profiles.framing.block import BlockFraming
from collector.profiles.framing.delimiter import DelimiterFraming
from collector.profiles.framing.escape import EscapeFraming
from collector.profiles.framing.fixed import FixedFraming
from collector.profiles.framing.length_field import LengthFieldFraming
from collector.profiles.framing.modbus import ModbusFraming
from collector.profiles.framing.telegram import TelegramFraming
from collector.profiles.payload import (
    CsvPayload,
    JsonPayload,
    KeyValuePayload,
    ObisPayload,
    RegistersPayload,
    SentencesPayload,
    SmlPayload,
    TextPayload,
    TlvPayload,
)


def add_to(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser("show", help="what a profile reads")
    parser.add_argument("id", metavar="ID", help="the profile")
    parser.add_argument("--markdown", action="store_true", help="in Markdown")
    add_option(parser)
    parser.set_defaults(func=run)


def run(arguments: argparse.Namespace) -> int:
    try:
        folders = searched(arguments.folder)
        profile = load(arguments.id, folders)
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return WRONG_USAGE
    folder = available(folders)[profile.id]
    facts = [*_facts(profile), ("from", origin(folder))]
    fields = list(fields_of(profile))
    shown = _markdown if arguments.markdown else _plain
    print("\n".join(shown(profile, facts, fields, _cases(folder))))
    return DONE


def _cases(folder: Path) -> list[Case]:
    """Empty where they have mistakes: `profiles test` names those."""
    try:
        return list(cases(folder).values())
    except ConfigurationError:
        return []


def _facts(profile: Profile) -> Iterator[tuple[str, str]]:
    """What there is to say beside the fields."""
    declaration = profile.declaration
    if declaration.firmware is not None:
        yield "firmware", declaration.firmware
    if (line := declaration.serial) is not None:
        yield "serial line", f"{line.baudrate} baud, {line.bytesize}{line.parity[0].upper()}{line.stopbits}"
    yield "framing", _framing(profile)
    for checksum in declaration.checksums:
        yield "checksum", f"{checksum.type} over bytes [{checksum.over[0]}, {checksum.over[1]}), at {checksum.at}"
    if (polling := declaration.polling) is not None:
        often = f"every {polling.interval.text()}" if polling.interval else "with interval in its source"
        asked = f"asked by {', '.join(one.hex(' ') for one in polling.requests)}" if polling.requests else "listened to"
        warm = f"; {polling.warm_up.text()} to warm up" if polling.warm_up else ""
        yield "polling", f"{often}, {asked}{', asleep in between' if polling.sleep else ''}{warm}"
    for rule in declaration.topics:
        said = "is ignored" if rule.ignore else f"device {rule.device or 'by the source'}"
        for pattern in rule.patterns:
            yield "topic", f"{pattern}: {said}{f', field {rule.field}' if rule.field else ''}"
    yield "payload", _payload(profile)
    yield "citation", profile.citation


def _framing(profile: Profile) -> str:
    framing = profile.declaration.framing
    match framing:
        case FixedFraming():
            end = f" and end with {framing.end.hex(' ')}" if framing.end else ""
            return f"frames of {framing.length} bytes that begin with {framing.start.hex(' ')}{end}"
        case LengthFieldFraming():
            known = f"{', '.join(map(str, framing.lengths))} bytes" if framing.lengths else "any length"
            return f"frames that begin with {framing.start.hex(' ')} and say their length; {known}"
        case DelimiterFraming():
            start = f" begin with {framing.start!r} and" if framing.start else ""
            return f"frames that{start} end with {framing.delimiter!r}, at most {framing.max_length} bytes"
        case TelegramFraming():
            return f"lines from one that begins with {framing.start!r} to one that begins with {framing.end!r}"
        case BlockFraming():
            return f"blocks that {framing.end!r} and a byte of any value end"
        case EscapeFraming():
            return "SML transport: frames between escape sequences"
        case ModbusFraming():
            return "replies of Modbus RTU or TCP"
        case _:
            return "an MQTT message is a frame"


def _payload(profile: Profile) -> str:
    payload = profile.declaration.payload
    match payload:
        case JsonPayload():
            return "JSON; every key becomes a field, nested ones as a.b and a[0]"
        case CsvPayload():
            columns = f"{len(payload.columns)} columns" if payload.columns else "any columns, c0, c1, ..."
            return f"values between {payload.separator!r}: {columns}; a source may name its own"
        case TextPayload():
            return f"a bare value, field {payload.field!r} unless the topic says otherwise"
        case RegistersPayload():
            count = len(payload.map().requests)
            return f"registers, asked for in {count} request{'s' if count > 1 else ''}"
        case KeyValuePayload():
            return f"lines of key and value between {payload.separator!r}; other keys as they stand"
        case ObisPayload():
            return "lines of OBIS code and values, units as sent; other codes as they stand"
        case SentencesPayload():
            return "sentences of values between commas; others are ignored"
        case SmlPayload():
            return "SML lists; fields are OBIS codes C.D.E, units as sent"
        case TlvPayload():
            return "values behind channel and type; fields are ch<channel>.<name>"
        case _:
            return "numbers at fixed positions"


def _plain(profile: Profile, facts: list[tuple[str, str]], fields: list[FieldRow], found: list[Case]) -> Iterator[str]:
    yield f"{profile.id}: {profile.name}"
    width = max(len(name) for name, _ in facts)
    yield from (f"  {name.ljust(width)}  {text}" for name, text in facts)
    if fields:
        rows = [FieldRow._fields, *fields]
        widths = [max(len(row[column]) for row in rows) for column in range(len(FieldRow._fields))]
        yield ""
        for row in rows:
            yield "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
    yield from ("", *(f"  {line}" for line in configuration(profile, found)))


def _markdown(
    profile: Profile, facts: list[tuple[str, str]], fields: list[FieldRow], found: list[Case]
) -> Iterator[str]:
    yield f"## `{profile.id}`: {profile.name}"
    yield ""
    yield from (f"- {name}: {text if name in ('from', 'citation') else f'`{text}`'}" for name, text in facts)
    if fields:
        columns = [column for column in range(len(FieldRow._fields)) if any(row[column] for row in fields)]
        yield from ("", _row(FieldRow._fields[column].capitalize() for column in columns), "|---" * len(columns) + "|")
        yield from (_row(f"`{row[column]}`" if column == 0 else row[column] for column in columns) for row in fields)
    yield from ("", "In a configuration:", "", "```toml", *configuration(profile, found), "```")
    if (shown := decoded(profile, found)) is not None:
        yield from ("", f"A frame of it ({shown.citation}), in bash:", "", "```sh", shown.command, "```")
        yield from ("", "prints", "", "```json", shown.output, "```")


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
