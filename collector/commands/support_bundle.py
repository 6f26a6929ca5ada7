"""`edge-collector support-bundle`: one file to send to whoever helps."""

import argparse
import re
from datetime import UTC, datetime
from pathlib import Path

from collector.check import load_anyway
from collector.commands import configuration
from collector.config.load import Loaded


def add_to(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "support-bundle",
        help="pack what is needed to help into one file, without secrets",
        description="Packs versions, the masked configuration, status, metrics, the doctor's findings and the log.",
    )
    parser.add_argument("-o", "--output", metavar="FILE.tar.gz", type=Path, help="where to (default: here)")
    parser.add_argument("--log", metavar="FILE", type=Path, help="a log file to pack, instead of systemd's journal")
    configuration.command(parser, load_anyway, run)


def run(loaded: Loaded, arguments: argparse.Namespace) -> int:
    from collector.support.bundle import write

    output = arguments.output or Path(_name(loaded.configuration.collector.id))
    names = write(loaded, output, arguments.log)
    print(f"{output}: {', '.join(names)}")
    if loaded.mistakes:
        print("The configuration has mistakes: mistakes.txt names them, configuration.txt shows what could be read.")
    print("Look through it before you send it: it names devices, topics and hosts.")
    print("Secrets are masked, and of web addresses all that follows the host.")
    return 0


def _name(collector: str) -> str:
    plain = re.sub("[^A-Za-z0-9_-]", "_", collector)
    return f"edge-collector-support-{plain}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.tar.gz"
