"""`edge-collector profiles list`: every profile there is."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from collector.commands.profiles.folders import DONE, FAILED, WRONG_USAGE, add_option, origin, searched
from collector.errors import ConfigurationError
from collector.profiles import Profile, available, load

CITATION_LENGTH = 48
"""Characters of a citation in the table; `profiles show` has the whole."""


class Row(NamedTuple):
    id: str
    name: str
    form: str
    """Framing and payload."""
    origin: str
    citation: str


def add_to(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser("list", help="every profile there is")
    parser.add_argument("--markdown", action="store_true", help="as a table in Markdown")
    add_option(parser)
    parser.set_defaults(func=run)


def run(arguments: argparse.Namespace) -> int:
    """1 where a profile has mistakes: they are named, the others are listed."""
    try:
        folders = searched(arguments.folder)
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return WRONG_USAGE
    rows, mistakes = table(folders)
    if arguments.markdown:
        print(markdown(rows), end="")
    elif sys.stdout.isatty():
        _print_rich(rows)
    else:
        _print_plain(rows)
    for mistake in mistakes:
        print(mistake, file=sys.stderr)
    return FAILED if mistakes else DONE


def table(folders: Sequence[Path]) -> tuple[list[Row], list[str]]:
    """The profiles by id, and the mistakes of those that cannot be loaded."""
    rows: list[Row] = []
    mistakes: list[str] = []
    for id, folder in available(folders).items():
        try:
            profile = load(id, folders)
        except ConfigurationError as error:
            mistakes += error.mistakes
        else:
            rows.append(Row(id, profile.name, form(profile), origin(folder), profile.citation))
    return rows, mistakes


def form(profile: Profile) -> str:
    """The kinds of framing and payload in a few words."""
    framing, payload = profile.declaration.framing, profile.declaration.payload
    return f"{framing.__struct_config__.tag} / {payload.__struct_config__.tag}"


def markdown(rows: Sequence[Row]) -> str:
    lines = ["| Profile | Device | Framing / payload | Described in |", "|---|---|---|---|"]
    lines += [f"| `{row.id}` | {_cell(row.name)} | {row.form} | {_cell(row.citation)} |" for row in rows]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _print_plain(rows: Sequence[Row]) -> None:
    lines = [tuple(name for name in Row._fields), *(_shortened(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(Row._fields))]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _print_rich(rows: Sequence[Row]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table()
    for name in Row._fields:
        drawn.add_column(name, no_wrap=name == "id")
    for row in rows:
        drawn.add_row(*(Text(cell) for cell in _shortened(row)))
    Console(highlight=False).print(drawn)


def _shortened(row: Row) -> Row:
    text = row.citation
    return row if len(text) <= CITATION_LENGTH else row._replace(citation=text[: CITATION_LENGTH - 3].rstrip() + "...")
