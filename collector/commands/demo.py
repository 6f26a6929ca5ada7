"""`edge-collector demo`: see it lose nothing."""

import argparse
import sys
from pathlib import Path

from collector.errors import ConfigurationError

SHORTEST = 10.0


def add_to(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "demo",
        help="see it lose nothing: cut off, killed, audited",
        description="Runs the real daemon between simulated devices and a cloud, cuts the uplink, kills the daemon, "
        "and audits that every reading arrived once. Needs mosquitto; touches nothing outside its directory.",
    )
    parser.add_argument(
        "--seconds", metavar="N", type=float, default=45.0, help="how long the devices send (default: 45)"
    )
    parser.add_argument(
        "--directory", metavar="DIR", type=Path, help="an empty directory for logs and databases, which stay there"
    )
    parser.set_defaults(func=run)


def run(arguments: argparse.Namespace) -> int:
    """0 if nothing is lost and nothing is twice, else 1; 2 for wrong arguments."""
    if not SHORTEST <= arguments.seconds <= 86400:
        print(f"--seconds {arguments.seconds:g}: write a number from {SHORTEST:g} to 86400", file=sys.stderr)
        return 2
    from collector.demo.run import run

    try:
        return run(arguments.seconds, arguments.directory)
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return 2
