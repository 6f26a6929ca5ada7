"""`edge-collector spool requeue`: dead letters go on their way again."""

import argparse
from typing import TYPE_CHECKING

from collector.commands import configuration
from collector.commands.spool import asking
from collector.config.load import Loaded, load

if TYPE_CHECKING:
    from collector.control.protocol import Done


def add_to(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = verbs.add_parser(
        "requeue",
        help="send dead letters on their way again",
        description="Sends dead letters again to the sink that refused them, under the ids they have had.",
    )
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--all", action="store_true", help="every dead letter")
    which.add_argument("ids", metavar="ID", nargs="*", default=[], help="as `spool dead` shows it")
    parser.add_argument("--sink", help="only letters of this sink")
    configuration.command(parser, load, run)


def run(loaded: Loaded, arguments: argparse.Namespace) -> int:
    from collector.control.protocol import Requeue

    return asking.ask(loaded, Requeue(arguments.sink, None if arguments.all else arguments.ids), _show)


def _show(done: "Done") -> None:
    print(f"Readings on their way again: {done.result['requeued']:,}")
    if departed := done.result["departed"]:
        print(f"Dead letters that stay, because their sinks are not configured any more: {departed:,}")
