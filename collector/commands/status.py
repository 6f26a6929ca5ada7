"""`edge-collector status`: asks the running daemon how it is, and says what to do where something is wrong."""

import argparse

import msgspec

from collector.commands import configuration
from collector.commands.status_text import show
from collector.config.load import Loaded, load
from collector.errors import CollectorError
from collector.status.client import fetch
from collector.status.report import Report


def add_to(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "status",
        help="show what the running collector does",
        description="Shows sources, sinks, the books and what to do where something is wrong.",
    )
    parser.add_argument("--json", action="store_true", help="print what the daemon's /status says, as it is")
    configuration.command(parser, load, run)


def run(loaded: Loaded, arguments: argparse.Namespace) -> int:
    body = fetch(loaded)
    try:
        if arguments.json:
            print(body.decode())
        else:
            show(msgspec.json.decode(body, type=Report))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CollectorError(
            f"the answer is not a collector's /status ({error}); "
            "does another program listen on status.listen, or is the daemon of another version?"
        ) from error
    return 0
