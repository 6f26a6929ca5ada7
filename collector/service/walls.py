"""The walls that systemd puts around a process, as they look from inside."""

import os
from collections.abc import Mapping
from pathlib import Path

OWN_STATUS = Path("/proc/self/status")


def started_by_unit(environment: Mapping[str, str]) -> bool:
    """Whether a unit of systemd's has executed this very process, and not a parent of it."""
    return environment.get("SYSTEMD_EXEC_PID") == str(os.getpid())


def missing(status: Path = OWN_STATUS, root: Path = Path("/")) -> list[str]:
    """Directives of the unit that are not in force, as far as a process can tell; asked before it builds its own."""
    said = dict(line.split(":\t", 1) for line in status.read_text().splitlines() if ":\t" in line)
    in_force = {
        "User=": said.get("Uid", "").split()[:1] != ["0"],
        "NoNewPrivileges=": said.get("NoNewPrivs") == "1",
        "SystemCallFilter=": said.get("Seccomp") == "2",
        "CapabilityBoundingSet=": not int(said.get("CapBnd", "0"), 16),
        "ProtectSystem=": bool(os.statvfs(root).f_flag & os.ST_RDONLY),
    }
    return [directive for directive, holds in in_force.items() if not holds]
