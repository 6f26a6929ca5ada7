"""`edge-collector status`: asks the running daemon how it is, and says what to do where something is wrong."""

import argparse

from collector.commands import configuration
from collector.commands.status_text import show
from collector.config.load import Loaded, load
from collector.status import client


def add_to(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "status",
        help="show what the running collector does",
        description="Shows sources, sinks, the books and what to do where something is wrong.",
    )
    parser.add_argument("--json", action="store_true", help="print what the daemon's /status says, as it is")
    configuration.command(parser, load, run)


def run(loaded: Loaded, arguments: argparse.Namespace) -> int:
    if arguments.json:
        print(client.status(loaded).decode(errors="replace"))
    else:
        show(client.report(loaded))
    return 0
