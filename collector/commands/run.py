"""`edge-collector run`: the daemon."""

import argparse
import asyncio
import faulthandler
import os
import signal
from pathlib import Path

from collector.check import load_checked
from collector.commands import configuration
from collector.config.load import Loaded
from collector.errors import ConfigurationError


def add_to(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser("run", help="collect readings until told to stop")
    parser.add_argument(
        "--record",
        metavar="DIR",
        type=Path,
        help="record what comes over lines and from brokers into DIR, for sources of type replay",
    )
    configuration.command(parser, _load, run)


def _load(path: Path) -> Loaded:
    # A SIGHUP from here on may be about a newer configuration than this, so it waits until it can be looked at.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    return load_checked(path)


def run(loaded: Loaded, arguments: argparse.Namespace) -> int:
    """0 after SIGTERM or SIGINT, 1 when the spool failed, 75 after SIGHUP. Raises ConfigurationError."""
    os.umask(0o077)
    if arguments.record is not None:
        loaded = loaded._replace(record=_directory(arguments.record))
    faulthandler.enable()  # the watchdog ends us with SIGABRT: the log shall say what we were doing

    import uvloop

    from collector import daemon
    from collector.confine import confine
    from collector.log import events
    from collector.log.setup import logging_to_stderr
    from collector.service import walls

    section = loaded.configuration.log
    with logging_to_stderr("auto" if section.format == "auto" else "json", section.level) as log:
        for warning in loaded.warnings:
            events.CONFIG_WARNING.log("%s", warning)
        if walls.started_by_unit(os.environ) and (missing := walls.missing()):
            advice = (
                "systemctl cat edge-collector shows what takes them away, systemctl revert edge-collector undoes it"
            )
            events.UNIT_WEAKENED.log("the unit lacks %s; %s", ", ".join(missing), advice)
        wall = confine(loaded)
        log.start()  # a thread, so not before: the wall would leave it outside
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(daemon.run(loaded, wall))


def _directory(path: Path) -> Path:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError([f"--record {path}: {error.strerror}; name another directory"]) from None
    return path.absolute()
