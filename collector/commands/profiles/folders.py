"""Where the commands look for profiles."""

import argparse
from pathlib import Path

from collector.errors import ConfigurationError
from collector.profiles import USER_FOLDER, builtin_folder

DONE, FAILED, WRONG_USAGE = 0, 1, 2


def add_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--folder", metavar="DIR", type=Path, help="look for profiles here first")


def searched(first: Path | None) -> list[Path]:
    """In order. Raises ConfigurationError for a folder that is not there."""
    if first is None:
        return [USER_FOLDER, builtin_folder()]
    if not first.is_dir():
        raise ConfigurationError([f"--folder {first}: is not a folder"])
    return [first, USER_FOLDER, builtin_folder()]


def origin(folder: Path) -> str:
    """Where the profile in `folder` comes from, as a person calls it."""
    return "built-in" if folder.parent == builtin_folder() else str(folder.parent)
