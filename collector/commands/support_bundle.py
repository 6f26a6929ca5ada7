"""`edge-collector support-bundle`: one file to send to whoever helps."""

import argparse
import re
import sys
from datetime import UTC, datetime
from pathlib import Path

from collector.commands import configuration
from collector.config.load import load
from collector.errors import CollectorError, ConfigurationError


def add_to(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "support-bundle",
        help="pack what is needed to help into one file, without secrets",
        description="Packs versions, the masked configuration, status, metrics, the doctor's findings and the log.",
    )
    parser.add_argument("-o", "--output", metavar="FILE.tar.gz", type=Path, help="where to (default: here)")
    parser.add_argument("--log", metavar="FILE", type=Path, help="a log file to pack, instead of systemd's journal")
    configuration.add_option(parser)
    parser.set_defaults(func=run)


def run(arguments: argparse.Namespace) -> int:
    try:
        loaded = load(arguments.config)
        output = arguments.output or Path(_name(loaded.configuration.collector.id))

        from collector.support.bundle import write

        names = write(loaded, output, arguments.log)
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return 2
    except CollectorError as error:
        print(f"edge-collector support-bundle: {error}", file=sys.stderr)
        return 1
    print(f"{output}: {', '.join(names)}")
    print("Look through it before you send it: it names devices, topics and hosts. Secrets are masked.")
    return 0


def _name(collector: str) -> str:
    plain = re.sub("[^A-Za-z0-9_-]", "_", collector)
    return f"edge-collector-support-{plain}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.tar.gz"
