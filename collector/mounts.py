"""Which file system holds a path."""

from pathlib import Path
from typing import NamedTuple

MOUNTS = Path("/proc/self/mounts")


class Mount(NamedTuple):
    point: Path
    kind: str
    options: frozenset[str]

    @property
    def in_memory(self) -> bool:
        return self.kind in ("tmpfs", "ramfs")


def mount_of(path: Path, mounts: Path = MOUNTS) -> Mount:
    """The innermost above `path`, which need not exist; of several on one point the last; of no kind without /proc."""
    path = path.resolve()
    found = Mount(Path("/"), "", frozenset())
    try:
        lines = mounts.read_text().splitlines()
    except OSError:
        return found
    for line in lines:
        point, kind, options = line.split(" ")[1:4]
        # The kernel writes blanks and the like as octal escapes.
        at = Path(point.encode().decode("unicode_escape").encode("latin-1").decode("utf-8", "surrogateescape"))
        if path.is_relative_to(at) and len(at.parts) >= len(found.point.parts):
            found = Mount(at, kind, frozenset(options.split(",")))
    return found
