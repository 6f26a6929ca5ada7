"""A note to the next start about the database, in a file beside it: `verify` it, it is `damaged`, or `salvage DIR`."""

import contextlib
import os
from pathlib import Path

FILE = "recovery"


def note(data_dir: Path, text: str) -> bool:
    """Leaves it, on disk on return, as far as a failing disk allows; whether it did."""
    try:
        fd = os.open(data_dir / FILE, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            os.write(fd, text.encode())
            os.fsync(fd)
        finally:
            os.close(fd)
    except OSError:
        return False
    return True


def noted(data_dir: Path) -> str:
    """What the last run left to say; empty mostly."""
    try:
        return (data_dir / FILE).read_bytes()[:200].decode(errors="replace").strip()
    except OSError:
        return ""


def done(data_dir: Path) -> None:
    """What was noted has been seen to."""
    with contextlib.suppress(OSError):
        (data_dir / FILE).unlink(missing_ok=True)
