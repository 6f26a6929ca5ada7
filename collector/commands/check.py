"""`edge-collector check`: every mistake at once, or the configuration as it will be used."""

import argparse
import sys

from collector.check import load_checked
from collector.commands import configuration
from collector.config.show import show
from collector.errors import ConfigurationError


def add_to(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "check",
        help="check the configuration and show it in effect",
        description="Names every mistake at once and exits with 2, or shows the configuration in effect.",
    )
    configuration.add_option(parser)
    parser.set_defaults(func=run)


def run(arguments: argparse.Namespace) -> int:
    try:
        loaded = load_checked(arguments.config)
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return 2
    for warning in loaded.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    print(show(loaded.configuration), end="")
    return 0
