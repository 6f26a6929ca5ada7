"""`edge-collector spool forget`: gives up what is kept for a sink that left the configuration."""

import argparse
from typing import TYPE_CHECKING

from collector.commands import configuration
from collector.commands.spool import asking
from collector.config.load import Loaded, load

if TYPE_CHECKING:
    from collector.control.protocol import Done


def add_to(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = verbs.add_parser(
        "forget",
        help="give up what is kept for a sink that left the configuration",
        description="Drops the readings and dead letters of a departed sink now, counted as dropped (departed).",
    )
    parser.add_argument("sink", metavar="SINK")
    configuration.command(parser, load, run)


def run(loaded: Loaded, arguments: argparse.Namespace) -> int:
    from collector.control.protocol import Forget

    def show(done: "Done") -> None:
        print(f"Readings of sink {arguments.sink} dropped, and counted: {done.result['dropped']:,}")

    return asking.ask(loaded, Forget(arguments.sink), show)
