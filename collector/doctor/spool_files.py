"""The files of a spool, found by looking: nothing is opened, locked or changed."""

import pwd
from collections.abc import Iterator
from pathlib import Path

from collector.doctor.finding import Finding, Subject
from collector.spool.ballast import Ballast

_FILES = ("spool.sqlite3", "spool.sqlite3-wal", "lock", "ballast", "recovery", "quarantine")


def examine(subject: Subject, data_dir: Path) -> Iterator[Finding]:
    """What would keep a daemon from starting, and what will be trouble on the day the disk is full."""
    if not data_dir.exists():
        return
    if not data_dir.is_dir():
        yield subject.fail(f"{data_dir} is a file", "remove it, or set collector.data_dir to a directory")
        return
    owner = data_dir.stat().st_uid
    for file in (data_dir / name for name in _FILES):
        if file.exists() and file.stat().st_uid != owner:
            yield subject.fail(
                f"{file} belongs to user {_name(file.stat().st_uid)}, the directory to {_name(owner)}",
                f"chown {_name(owner)} {file}",
            )
    quarantine = data_dir / "quarantine"
    if quarantine.exists() and not quarantine.is_dir():
        yield subject.fail(f"{quarantine} is a file; damaged databases go to a directory of that name", "remove it")
    if why := Ballast(data_dir / "ballast").obstacle():
        text, _, advice = why.rpartition("; ")
        yield subject.warn(f"no room is kept for a day when the disk is full: {text}", advice)


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
