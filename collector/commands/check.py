"""`edge-collector check`: every mistake at once, or the configuration as it will be used."""

import argparse
import sys

from collector.check import load_checked
from collector.commands import configuration
from collector.config.load import Loaded
from collector.config.show import show


def add_to(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "check",
        help="check the configuration and show it in effect",
        description="Names every mistake at once and exits with 2, or shows the configuration in effect.",
    )
    configuration.command(parser, load_checked, run)


def run(loaded: Loaded, _: argparse.Namespace) -> int:
    for warning in loaded.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    print(show(loaded.configuration), end="")
    return 0
