"""`edge-collector spool export`: readings that wait, as JSON lines."""

import argparse
import sys
from typing import TYPE_CHECKING

from collector.commands import configuration
from collector.commands.spool import asking
from collector.config.load import Loaded, load

if TYPE_CHECKING:
    from collector.control.protocol import Done


def add_to(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = verbs.add_parser(
        "export",
        help="print what waits for the sinks, a JSON line a reading",
        description="Prints pending readings as on the wire, oldest first, and removes nothing.",
    )
    parser.add_argument("--sink", help="only what waits for this sink, also for one that left the configuration")
    parser.add_argument("--dead", action="store_true", help="the dead letters instead")
    configuration.command(parser, load, run)


def run(loaded: Loaded, arguments: argparse.Namespace) -> int:
    from collector.control.protocol import Export

    return asking.ask(loaded, Export(arguments.sink, arguments.dead), _show, asking.through)


def _show(done: "Done") -> None:
    """Standard output holds readings only."""
    if count := done.result.get("damaged_segments") or done.result.get("damaged"):
        print(f"edge-collector spool: {count} stored pieces are damaged and were left out", file=sys.stderr)
