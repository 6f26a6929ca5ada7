"""Folders of profiles: what is in them, and one of them loaded and checked."""

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import collector
from collector.errors import ConfigurationError
from collector.profiles.profile import ID, Declaration, Profile
from collector.profiles.table import nearest, read

FILE = "profile.toml"
USER_FOLDER = Path("/etc/edge-collector/firmware_profiles")
"""Where operators put profiles of their own; one with a built-in's id takes its place."""


def builtin_folder() -> Path:
    """Inside the installed package; in a checkout at the top of the repository."""
    package = Path(collector.__file__).parent
    installed = package / "firmware_profiles"
    return installed if installed.is_dir() else package.parent / "firmware_profiles"


def searched(beside: Path) -> list[Path]:
    """For a configuration in the folder `beside`, in order."""
    return [beside / "firmware_profiles", USER_FOLDER, builtin_folder()]


def available(folders: Sequence[Path]) -> dict[str, Path]:
    """Profile id -> its folder, sorted by id; the first of `folders` that has it wins."""
    found: dict[str, Path] = {}
    for folder in folders:
        for file in folder.glob(f"*/{FILE}"):
            found.setdefault(file.parent.name, file.parent)
    return dict(sorted(found.items()))


def load(id: str, folders: Sequence[Path]) -> Profile:
    """Raises ConfigurationError with every mistake of the profile's file."""
    found = available(folders)
    if id not in found:
        hint = nearest(id, found) if found else f"no profiles in {', '.join(map(str, folders))}"
        raise ConfigurationError([f"profile {id!r} is not known; {hint}"])
    file = found[id] / FILE
    mistakes: list[str] = []
    declaration = read(parse(file), Declaration, mistakes)
    if declaration is not None:
        if declaration.id != id and ID.fullmatch(declaration.id):
            mistakes.append(f"id: {declaration.id!r} must be the folder's name, {id!r}")
        mistakes.extend(declaration.misfits())
    if mistakes or declaration is None:
        raise ConfigurationError([f"{file}: {mistake}" for mistake in mistakes])
    return Profile(declaration)


def parse(file: Path) -> dict[str, Any]:
    """A TOML file. Raises ConfigurationError."""
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except OSError as error:
        raise ConfigurationError([f"{file}: cannot be read: {error.strerror}"]) from None
    except ValueError as error:  # TOMLDecodeError and UnicodeDecodeError both are
        raise ConfigurationError([f"{file}: {error}"]) from None
