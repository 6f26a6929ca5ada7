"""`edge-collector status`: asks the running daemon how it is, and says what to do where something is wrong."""

import argparse
import sys

import msgspec

from collector.commands import configuration
from collector.commands.status_text import show
from collector.config.load import load
from collector.errors import CollectorError, ConfigurationError
from collector.status.client import fetch
from collector.status.report import Report


def add_to(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "status",
        help="show what the running collector does",
        description="Shows sources, sinks, the books and what to do where something is wrong.",
    )
    parser.add_argument("--json", action="store_true", help="print what the daemon's /status says, as it is")
    configuration.add_option(parser)
    parser.set_defaults(func=run)


def run(arguments: argparse.Namespace) -> int:
    try:
        body = fetch(load(arguments.config))
        if arguments.json:
            print(body.decode())
        else:
            show(msgspec.json.decode(body, type=Report))
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return 2
    except CollectorError as error:
        print(f"edge-collector status: {error}", file=sys.stderr)
        return 1
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        print(
            f"edge-collector status: the answer is not a collector's /status ({error}); "
            "does another program listen on status.listen, or is the daemon of another version?",
            file=sys.stderr,
        )
        return 1
    return 0
