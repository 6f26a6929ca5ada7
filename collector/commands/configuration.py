"""The option that every command shares: which configuration it is about."""

import argparse
from pathlib import Path

DEFAULT_FILE = Path("/etc/edge-collector/collector.toml")


def add_option(parser: argparse.ArgumentParser) -> None:
    """Adds `-c FILE`, read as `arguments.config`."""
    parser.add_argument(
        "-c",
        "--config",
        metavar="FILE",
        type=Path,
        default=DEFAULT_FILE,
        help="the configuration file (default: %(default)s)",
    )
