"""The command line: `edge-collector VERB`. Exit codes: 0 done, 1 failed, 2 wrong usage or configuration."""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

from collector import __version__
from collector.streams import Output

VERBS = ("init", "run", "check", "status", "spool", "profiles", "receive", "demo", "doctor", "support-bundle")
"""Each has a module in `collector.commands`; none imports anything heavy before it is called."""

INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    return run(parse(arguments))


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """`func` of what it returns is the command. Exits with 2 for wrong usage."""
    return command_line().parse_args(arguments)


def command_line() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="edge-collector",
        description="Reads sensors over serial lines and MQTT and brings every reading to the cloud.",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    subparsers = parser.add_subparsers(metavar="VERB", required=True)
    for verb in VERBS:
        import_module(f"collector.commands.{verb.replace('-', '_')}").add_to(subparsers)
    return parser


def run(command: argparse.Namespace) -> int:
    try:
        code: int = command.func(command)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    except OSError:
        output = sys.stdout
        if not isinstance(output, Output) or output.lost is None:
            raise
        output.give_up()
        if not isinstance(output.lost, BrokenPipeError):  # whoever read it, such as `head`, had enough
            print(f"edge-collector: standard output: {output.lost.strerror}", file=sys.stderr)
        return 1
    return code
