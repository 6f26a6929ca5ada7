"""`edge-collector spool dead`: what sinks refused for good, and why."""

import argparse
from typing import TYPE_CHECKING

import msgspec

from collector.commands import configuration
from collector.commands.spool import asking
from collector.config.load import Loaded, load

if TYPE_CHECKING:
    from collector.control.protocol import Done


def add_to(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = verbs.add_parser(
        "dead",
        help="show the readings that sinks refused for good, with the server's words",
        description="Shows dead letters, oldest first. edge-collector spool requeue sends them again.",
    )
    parser.add_argument("--sink", help="only those of this sink")
    parser.add_argument("--json", action="store_true", help="print a JSON line each")
    configuration.command(parser, load, run)


def run(loaded: Loaded, arguments: argparse.Namespace) -> int:
    from collector.control.protocol import Dead

    if arguments.json:
        return asking.ask(loaded, Dead(arguments.sink), lambda done: None, asking.through)
    return asking.ask(loaded, Dead(arguments.sink), _advise, _print)


def _print(lines: bytes) -> None:
    from collector.control.protocol import Letter

    for line in lines.splitlines():
        letter = msgspec.json.decode(line, type=Letter)
        what = f"{letter.device}  {letter.time}" if letter.time else "(damaged on disk)"
        print(asking.printable(f"{letter.id}  sink {letter.sink}  {what}"))
        print(asking.printable(f"    {letter.reason}"))


def _advise(done: "Done") -> None:
    count = done.result["letters"]
    if not count:
        print("No dead letters.")
        return
    print(f"\nDead letters: {count:,}. When the reason is mended, send them again under the same ids:")
    print("    edge-collector spool requeue ID...      or --all, with --sink of one sink only")
