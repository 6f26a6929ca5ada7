"""`edge-collector profiles test`: every profile against its own cases."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from collector.commands.profiles.folders import DONE, FAILED, WRONG_USAGE, add_option, searched
from collector.errors import ConfigurationError
from collector.profiles import available, load
from collector.profiles.cases import cases
from collector.profiles.library import FILE, closed_to_us
from collector.profiles.table import nearest


def add_to(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "test",
        help="try profiles on their cases",
        description="Every case of every profile, whole and byte by byte. Exit code 1 if any gives something else.",
    )
    parser.add_argument(
        "what", metavar="ID|FOLDER", nargs="*", help="profiles, or folders of one or many (default: all)"
    )
    add_option(parser)
    parser.set_defaults(func=run)


def run(arguments: argparse.Namespace) -> int:
    try:
        chosen = list(_chosen(arguments.what, searched(arguments.folder)))
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return WRONG_USAGE
    tried, failures = 0, 0
    for folder in chosen:
        count, wrong = _try(folder)
        tried += count
        failures += len(wrong)
        verdict = f"{len(wrong)} FAILED of {count}" if wrong else f"{count} passed"
        print(f"{folder.name}: {verdict if count or wrong else 'no cases'}")
        for failure in wrong:
            print("\n".join(f"  {line}" for line in failure))
    print(f"{tried} cases of {len(chosen)} profiles, {failures} failed")
    return FAILED if failures else DONE


def _chosen(words: Sequence[str], folders: Sequence[Path]) -> Iterator[Path]:
    """The folders of the profiles asked for. Raises ConfigurationError for a word that is none."""
    known = available(folders)
    if not words:
        yield from known.values()
    for word in words:
        path = Path(word)
        if word in known:
            yield known[word]
        elif closed_to_us(path):
            raise ConfigurationError([f"{word}: permission denied"])
        elif (path / FILE).is_file():
            yield path.resolve()
        elif inside := available([path]):
            yield from inside.values()
        elif path.is_dir():
            raise ConfigurationError([f"{word}: holds no {FILE}, nor folders that do"])
        else:
            raise ConfigurationError([f"{word!r} is neither a profile nor a folder; {nearest(word, known)}"])


def _try(folder: Path) -> tuple[int, list[list[str]]]:
    """How many cases there are, and for each that failed its name and what differs."""
    try:
        profile = load(folder.name, [folder.parent])
        found = cases(folder)
    except ConfigurationError as error:
        return 0, [error.mistakes]
    failures: list[list[str]] = []
    for name, case in found.items():
        try:
            differences = case.differences(profile)
            if not differences and profile.cuts_a_stream:
                stream = b"".join(case.reads())
                pieces = [stream[at : at + 1] for at in range(len(stream))]
                differences = [f"byte by byte, {line}" for line in case.differences(profile, pieces)]
        except ConfigurationError as error:
            differences = [f"options.{mistake}" for mistake in error.mistakes]
        if differences:
            failures.append([f"{name}:", *(f"  {line}" for line in differences)])
    return len(found), failures
