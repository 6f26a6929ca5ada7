"""The command line: `edge-collector VERB`. Exit codes: 0 done, 1 failed, 2 wrong usage or configuration."""

import argparse
from collections.abc import Callable, Sequence
from importlib import import_module

from collector import __version__

VERBS = ("init", "run", "check", "status", "spool", "profiles", "receive", "demo", "doctor", "support-bundle")
"""Each has a module in `collector.commands`; none imports anything heavy before it is called."""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="edge-collector",
        description="Reads sensors over serial lines and MQTT and brings every reading to the cloud.",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    subparsers = parser.add_subparsers(metavar="VERB", required=True)
    for verb in VERBS:
        import_module(f"collector.commands.{verb.replace('-', '_')}").add_to(subparsers)
    parsed = parser.parse_args(arguments)
    func: Callable[[argparse.Namespace], int] = parsed.func
    try:
        return func(parsed)
    except BrokenPipeError:
        return 1
    except KeyboardInterrupt:
        return 130
