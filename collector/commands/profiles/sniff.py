"""`edge-collector profiles sniff`: what comes over a serial line or from a broker, live, and which profile fits."""

import argparse
import sys
from pathlib import Path

from collector.commands.profiles.folders import FAILED, WRONG_USAGE, add_option, searched
from collector.errors import CollectorError, ConfigurationError
from collector.profiles import load

BROKERS = ("mqtt://", "mqtts://", "ws://", "wss://")
LONGEST = 7 * 86400
"""Seconds; Ctrl-C ends what is to last longer."""


def add_to(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "sniff",
        help="show what comes over a serial line or from a broker",
        description="Bytes or messages as they come, and what a profile reads out of them; without --profile it says "
        "at the end which profiles fit. Ends with Ctrl-C.",
    )
    parser.add_argument(
        "where", metavar="PORT|URL", help="/dev/ttyUSB0, or mqtt://HOST:PORT/FILTER (the filter in quotes)"
    )
    parser.add_argument("--profile", metavar="ID", help="show what this profile reads")
    parser.add_argument("--seconds", metavar="N", type=float, help="end by itself after so long")
    add_option(parser)
    line = parser.add_argument_group("serial lines")
    line.add_argument("--baudrate", metavar="N", type=int, help="default: the profile's, else 9600")
    line.add_argument("--save", metavar="FILE", type=Path, help="keep the bytes, for profiles new and decode")
    broker = parser.add_argument_group("brokers")
    broker.add_argument("--topic", metavar="FILTER", action="append", help="what to subscribe to, repeatable")
    broker.add_argument("--username", metavar="U")
    broker.add_argument("--password-file", metavar="F")
    broker.add_argument("--ca-file", metavar="F")
    parser.set_defaults(func=run)


def run(arguments: argparse.Namespace) -> int:
    """0 after Ctrl-C or --seconds, 1 where nothing can be heard, 2 for wrong arguments."""
    try:
        if arguments.seconds is not None and not 0 < arguments.seconds <= LONGEST:
            raise ConfigurationError([f"--seconds: {arguments.seconds:g} is not between 0 and {LONGEST}"])
        folders = searched(arguments.folder)
        profile = load(arguments.profile, folders) if arguments.profile is not None else None
        if arguments.where.startswith(BROKERS):
            from collector.commands.profiles.sniff_broker import listen

            return listen(arguments, folders, profile)
        if "://" in arguments.where:
            raise ConfigurationError(
                [f"not a broker's URL: write {', '.join(BROKERS)} before the host, or name a port"]
            )
        from collector.commands.profiles.sniff_line import listen

        return listen(arguments, folders, profile)
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return WRONG_USAGE
    except CollectorError as error:
        print(error, file=sys.stderr)
        return FAILED
