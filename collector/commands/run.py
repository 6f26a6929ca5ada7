"""`edge-collector run`: the daemon."""

import argparse
import asyncio
import logging
import os
import sys
from pathlib import Path

from collector.check import load_checked
from collector.commands.check import DEFAULT_FILE
from collector.errors import ConfigurationError

log = logging.getLogger("edge_collector")


def add_to(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser("run", help="collect readings until told to stop")
    parser.add_argument(
        "-c",
        "--config",
        metavar="FILE",
        type=Path,
        default=DEFAULT_FILE,
        help="the configuration file (default: %(default)s)",
    )
    parser.set_defaults(func=run)


def run(arguments: argparse.Namespace) -> int:
    """0 after SIGTERM or SIGINT, 1 when the spool failed, 2 for a wrong configuration."""
    try:
        loaded = load_checked(arguments.config)
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return 2
    logging.basicConfig(
        level=loaded.configuration.log.level.upper(),
        format="%(asctime)s %(levelname)-7s %(message)s",
        stream=sys.stderr,
    )
    # The database library logs every call at debug level.
    logging.getLogger("aiosqlite").setLevel(logging.WARNING)
    for warning in loaded.warnings:
        log.warning("%s", warning)

    os.umask(0o077)

    import uvloop

    from collector import daemon

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(daemon.run(loaded))
