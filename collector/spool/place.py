"""Where the tail journal lies: a tmpfs of our own if there is one."""

import contextlib
import hashlib
import os
import stat
from pathlib import Path

from collector.log import events
from collector.mounts import mount_of

SERVICE_DIRECTORY = Path("/run/edge-collector")
"""`$RUNTIME_DIRECTORY` of the systemd service."""


def journal_directory(data_dir: Path, *, quietly: bool = False) -> tuple[Path, bool]:
    """The journal's directory, made if need be, and whether it is a tmpfs.

    The first of `places` that is a tmpfs; else the data directory itself. A place that somebody else holds is
    passed over, with a line in the log unless `quietly`.
    """
    for directory in places(data_dir, os.getuid()):
        if directory.parent.is_dir() and on_tmpfs(directory.parent) and _own(directory, quietly):
            return directory, True
    return data_dir.resolve(), False


def places(data_dir: Path, uid: int) -> list[Path]:
    """Where the journal of user `uid` may lie, best first: below `$RUNTIME_DIRECTORY`, else below /dev/shm.

    Under a name of user and data directory, so that no two spools share one. What the service left in its own
    runtime directory is found also by who is not started by systemd.
    """
    name = hashlib.sha256(os.fsencode(data_dir.resolve())).hexdigest()[:12]
    found = [Path(part) / f"tail-{name}" for part in os.environ.get("RUNTIME_DIRECTORY", "").split(":") if part]
    of_service = SERVICE_DIRECTORY / f"tail-{name}"
    with contextlib.suppress(OSError):
        if of_service not in found and of_service.lstat().st_uid == uid:
            found.append(of_service)
    return [*found, Path(f"/dev/shm/edge-collector-{uid}-{name}")]


def earlier_journals(data_dir: Path, directory: Path) -> list[Path]:
    """Where else a run that was started another way, or found the better place taken, has left its journal."""
    uid = os.getuid()
    return [
        place
        for place in (*places(data_dir, uid), data_dir.resolve())
        if place != directory and _is_ours(place) and any(place.glob("tail.[01]"))
    ]


def on_tmpfs(path: Path) -> bool:
    """Whether the file system that holds `path` lives in memory."""
    return mount_of(path).in_memory


def claim(directory: Path) -> None:
    """Makes the directory if need be. Raises OSError where somebody else holds it, perhaps as a trap."""
    with contextlib.suppress(FileExistsError):
        directory.mkdir(mode=0o700)
    if not _is_ours(directory):
        raise FileExistsError(17, "belongs to somebody else; remove it")


def _is_ours(directory: Path) -> bool:
    try:
        found = directory.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()


def _own(directory: Path, quietly: bool) -> bool:
    """Makes the directory ours alone."""
    try:
        claim(directory)
        directory.chmod(0o700)
    except OSError as error:
        if not quietly:
            events.JOURNAL_DEGRADED.log("tail journal: %s: %s", directory, error.strerror)
        return False
    return True
