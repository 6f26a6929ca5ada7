"""`edge-collector run`: the daemon."""

import argparse
import asyncio
import os

from collector.check import load_checked
from collector.commands import configuration
from collector.config.load import Loaded


def add_to(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser("run", help="collect readings until told to stop")
    configuration.command(parser, load_checked, run)


def run(loaded: Loaded, _: argparse.Namespace) -> int:
    """0 after SIGTERM or SIGINT, 1 when the spool failed."""
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
