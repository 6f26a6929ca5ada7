"""What the process may reach once its wall stands."""

from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Reach:
    """Directories count with all that is below them, now or later. What does not exist is passed over."""

    read: set[Path] = field(default_factory=set)
    write: set[Path] = field(default_factory=set)
    devices: set[Path] = field(default_factory=set)
    """Read, written and set up; a directory for devices that are plugged in later."""
    sockets: set[Path] = field(default_factory=set)
    """Directories for Unix sockets of our own."""
    connect: set[int] = field(default_factory=set)
    """TCP ports, of whatever host."""
    bind: set[int] = field(default_factory=set)
