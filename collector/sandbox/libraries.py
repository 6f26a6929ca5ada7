"""Shared libraries that glibc would load only when it needs them: later no code can be brought into memory."""

import contextlib
import ctypes
import re
from collections.abc import Iterator
from pathlib import Path

NSSWITCH = Path("/etc/nsswitch.conf")

_BUILT_IN = {"files", "dns"}
"""Since glibc 2.34."""


def load() -> None:
    """Those that are not there are not needed."""
    # A thread that the interpreter ends at its own end unwinds its stack, and the process aborts where it cannot.
    for name in ("libgcc_s.so.1", *(f"libnss_{service}.so.2" for service in host_services(NSSWITCH))):
        with contextlib.suppress(OSError):
            ctypes.CDLL(name)


def host_services(nsswitch: Path) -> Iterator[str]:
    """The modules that look host names up, such as mdns4_minimal or resolve."""
    with contextlib.suppress(OSError):
        for line in nsswitch.read_text(errors="replace").splitlines():
            database, _, services = line.partition("#")[0].partition(":")
            if database.strip() == "hosts":
                yield from (name for name in re.sub(r"\[[^]]*\]", " ", services).split() if name not in _BUILT_IN)
