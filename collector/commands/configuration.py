"""What every command about a configuration shares: the option that names it, and how its mistakes are told."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from collector.config.load import Loaded
from collector.errors import CollectorError, ConfigurationError, SpoolRefused

DEFAULT_FILE = Path("/etc/edge-collector/collector.toml")


def command(
    parser: argparse.ArgumentParser,
    load: Callable[[Path], Loaded],
    run: Callable[[Loaded, argparse.Namespace], int],
) -> None:
    """Adds `-c FILE`; the command then loads that and runs. Exit code 2 for what the operator must see to, 1 else."""
    parser.add_argument(
        "-c",
        "--config",
        metavar="FILE",
        type=Path,
        default=DEFAULT_FILE,
        help="the configuration file (default: %(default)s)",
    )

    def func(arguments: argparse.Namespace) -> int:
        try:
            return run(load(arguments.config), arguments)
        except ConfigurationError as error:
            print(error, file=sys.stderr)
            return 2
        except CollectorError as error:
            print(f"{parser.prog}: {error}", file=sys.stderr)
            return 2 if isinstance(error, SpoolRefused) else 1

    parser.set_defaults(func=func)
