"""Where the tail journal lies: a tmpfs of our own if there is one."""

import hashlib
import os
import stat
from pathlib import Path

from collector.errors import SpoolError


def journal_directory(data_dir: Path) -> tuple[Path, bool]:
    """The journal's directory, and whether it is a tmpfs.

    `$RUNTIME_DIRECTORY`, else a directory under /dev/shm named after user and data directory,
    else the data directory itself. Raises SpoolError when somebody else owns the place.
    """
    candidates = [Path(part) for part in os.environ.get("RUNTIME_DIRECTORY", "").split(":") if part]
    name = hashlib.sha256(os.fsencode(data_dir.resolve())).hexdigest()[:12]
    candidates.append(Path(f"/dev/shm/edge-collector-{os.getuid()}-{name}"))
    for directory in candidates:
        if directory.parent.is_dir() and on_tmpfs(directory.parent):
            _own(directory)
            return directory, True
    return data_dir, False


def on_tmpfs(path: Path) -> bool:
    """Whether the file system that holds `path` lives in memory."""
    path = path.resolve()
    longest, kind = -1, ""
    for line in Path("/proc/self/mounts").read_text().splitlines():
        mount, this_kind = line.split(" ")[1:3]
        mount = mount.encode().decode("unicode_escape")
        if path.is_relative_to(mount) and len(mount) >= longest:
            longest, kind = len(mount), this_kind
    return kind in ("tmpfs", "ramfs")


def _own(directory: Path) -> None:
    """Makes the directory ours alone; in a world-writable place it may already be somebody else's trap."""
    try:
        directory.mkdir(mode=0o700, exist_ok=True)
        found = directory.lstat()
    except OSError as error:
        raise SpoolError(f"tail journal: {directory}: {error.strerror}; remove it") from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise SpoolError(f"tail journal: {directory} belongs to somebody else; remove it")
