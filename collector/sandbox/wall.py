"""Both walls at once, and what became of them."""

from typing import Literal

import msgspec

from collector.sandbox import landlock, libraries, seccomp, system
from collector.sandbox.errors import Unavailable
from collector.sandbox.reach import Reach

Mode = Literal["enforce", "log", "off"]


class Wall(msgspec.Struct):
    """What stands around this process, for its whole life."""

    mode: Mode
    landlock: int = 0
    """The kernel's ABI; 0 where files and ports are not restricted."""
    seccomp: int = 0
    """System calls that are allowed; 0 where all are."""
    missing: list[str] = []
    """What should stand and does not, and what to do."""

    def __str__(self) -> str:
        if self.mode == "off":
            return "off"
        files = f"Landlock ABI {self.landlock}" if self.landlock else "no Landlock"
        calls = f"seccomp {self.seccomp} syscalls" if self.seccomp else "no seccomp"
        return ", ".join([self.mode, files, calls])

    def lacks(self) -> list[str]:
        """What should stand and does not, or stands too close by now; each with what to do."""
        replaced = system.out_of_reach() if self.landlock else []
        return self.missing + [
            f"{path} was replaced, and the new one cannot be read; restart the collector" for path in replaced
        ]


def close(mode: Mode, reach: Reach) -> Wall:
    """Shuts the process in for good, with no thread but this one running. Raises nothing: what lacks is told.

    All libraries must be loaded. With `log` nothing is refused, so there is no Landlock, which cannot merely log.
    """
    wall = Wall(mode)
    if mode == "off":
        return wall
    libraries.load()
    reach.read.update(system.readable())
    reach.devices.update(system.devices())
    filters = _prepare(wall, mode)
    if mode == "enforce":
        try:
            wall.landlock = landlock.restrict(reach)
        except Unavailable as error:
            wall.missing.append(str(error))
    if filters is not None:
        try:
            filters.load()
            wall.seccomp = filters.allowed
        except Unavailable as error:
            wall.missing.append(str(error))
    return wall


def prospect(mode: Mode) -> Wall:
    """The wall that this machine would let us raise; a container's own rules show only when it is tried."""
    wall = Wall(mode)
    if mode != "off" and (filters := _prepare(wall, mode)) is not None:
        wall.seccomp = filters.allowed
    if mode == "enforce":
        try:
            wall.landlock = landlock.abi()
        except Unavailable as error:
            wall.missing.append(str(error))
    return wall


def _prepare(wall: Wall, mode: seccomp.Mode) -> seccomp.Filters | None:
    try:
        return seccomp.Filters(mode)
    except Unavailable as error:
        wall.missing.append(str(error))
        return None
