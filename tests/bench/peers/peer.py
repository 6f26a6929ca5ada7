"""What the bench must know of a program that forwards from one broker to another."""

import subprocess
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import NamedTuple, Protocol


class NotInstalled(Exception):
    """Says in one line why."""


class Place(NamedTuple):
    """Where a peer runs."""

    directory: Path
    """On a disk; empty at the first start."""
    memory: Path
    """On a tmpfs."""
    source: int
    """Port of the broker the devices publish to, below meters/."""
    uplink: int
    """Port of the broker everything must get to."""


class Peer(Protocol):
    name: str
    burst: int
    """Messages of a run at full speed: about five seconds' work."""

    remark: str = ""
    """What a reader of its figures must know."""

    def install(self, cache: Path) -> None:
        """Below `cache`, unless it is there already; raises NotInstalled."""

    def command(self, place: Place) -> list[str]:
        """Writes what the peer needs into `place` and returns what starts it."""

    def platform(self, uplink: int) -> AbstractContextManager[None]:
        """What the peer must find behind the uplink's broker; nothing, for most."""
        return nullcontext()


def fetch(*commands: list[str]) -> None:
    """Runs them one after the other; raises NotInstalled with the last line of the one that fails."""
    for command in commands:
        try:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise NotInstalled(str(error)) from error
        if done.returncode:
            said = (done.stderr or done.stdout).strip().splitlines()
            raise NotInstalled(f"{Path(command[0]).name}: {said[-1] if said else f'exit code {done.returncode}'}")
