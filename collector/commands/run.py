"""`edge-collector run`: the daemon."""

import argparse
import asyncio
import os
import sys

from collector.check import load_checked
from collector.commands import configuration
from collector.errors import ConfigurationError


def add_to(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser("run", help="collect readings until told to stop")
    configuration.add_option(parser)
    parser.set_defaults(func=run)


def run(arguments: argparse.Namespace) -> int:
    """0 after SIGTERM or SIGINT, 1 when the spool failed, 2 for a wrong configuration."""
    try:
        loaded = load_checked(arguments.config)
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return 2
    os.umask(0o077)

    import uvloop

    from collector import daemon
    from collector.log import events
    from collector.log.setup import logging_to_stderr

    section = loaded.configuration.log
    with logging_to_stderr("auto" if section.format == "auto" else "json", section.level):
        for warning in loaded.warnings:
            events.CONFIG_WARNING.log("%s", warning)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(daemon.run(loaded))
