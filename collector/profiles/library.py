"""Folders of profiles: what is in them, and one of them loaded and checked."""

import errno
import os
import stat
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import collector
from collector.errors import ConfigurationError
from collector.profiles.profile import ID, Declaration, Profile
from collector.profiles.table import nearest, read

FILE = "profile.toml"
MOST_BYTES = 1 << 20
"""Of a profile or a case."""

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
        for inside in _inside(folder):
            found.setdefault(inside.name, inside)
    return dict(sorted(found.items()))


def _inside(folder: Path) -> Iterator[Path]:
    """Folders of a profile; one that may not be looked into counts, so that loading it says so."""
    try:
        entries = list(folder.iterdir())
    except OSError:
        return
    for entry in entries:
        try:
            (entry / FILE).lstat()
        except PermissionError:
            yield entry
        except OSError:
            continue
        else:
            yield entry


def closed_to_us(folder: Path) -> bool:
    """It is there and may not be looked into."""
    there = os.access(folder, os.F_OK, effective_ids=True)
    return there and not os.access(folder, os.R_OK | os.X_OK, effective_ids=True)


def load(id: str, folders: Sequence[Path]) -> Profile:
    """Raises ConfigurationError with every mistake of the profile's file."""
    found = available(folders)
    if id not in found:
        hint = nearest(id, found) if found else f"no profiles in {', '.join(map(str, folders))}"
        closed = [str(folder) for folder in folders if closed_to_us(folder)]
        unread = f" ({', '.join(closed)} cannot be read: permission denied)" if closed else ""
        raise ConfigurationError([f"profile {id!r} is not known{unread}; {hint}"])
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
    """A TOML file. Raises ConfigurationError, also for what would never end."""
    try:
        if not file.is_file():
            raise ConfigurationError([f"{file}: cannot be read: {_instead_of_a_file(file)}"])
        with file.open("rb") as opened:
            data = opened.read(MOST_BYTES + 1)
        if len(data) > MOST_BYTES:
            raise ConfigurationError(
                [f"{file}: holds more than {MOST_BYTES >> 20} MiB; that is no profile and no case"]
            )
        return tomllib.loads(data.decode())
    except OSError as error:
        raise ConfigurationError([f"{file}: cannot be read: {error.strerror}"]) from None
    except RecursionError:
        raise ConfigurationError([f"{file}: arrays or tables within each other, far too deep"]) from None
    except ValueError as error:  # TOMLDecodeError and UnicodeDecodeError both are
        raise ConfigurationError([f"{file}: {error}"]) from None


def _instead_of_a_file(file: Path) -> str:
    """Opening a FIFO would wait for ever, a device never end. Raises OSError."""
    mode = file.stat().st_mode
    return os.strerror(errno.EISDIR) if stat.S_ISDIR(mode) else "not a regular file"
