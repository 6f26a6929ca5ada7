"""What Python, TLS and name look-ups read of the system, whatever is configured."""

import os
import ssl
import sys
from collections.abc import Iterator
from pathlib import Path

_PROGRAMS = ("/usr", "/lib", "/lib64", "/proc", "/sys")
_ETC = Path("/etc")
_DEVICES = ("/dev/null", "/dev/urandom")
_NAMES = ("resolv.conf", "hosts", "host.conf", "nsswitch.conf", "gai.conf", "localtime", "machine-id")


def readable() -> Iterator[Path]:
    yield from map(Path, (*_PROGRAMS, sys.prefix, sys.base_prefix))
    authorities = ssl.get_default_verify_paths()
    yield from (Path(place) for place in (authorities.cafile, authorities.capath) if place)
    yield from configuration(_ETC)


def out_of_reach(etc: Path = _ETC) -> list[Path]:
    """Files that were put in the place of those that a rule was made for."""
    found = []
    for name in ("resolv.conf", "hosts"):
        path = etc / name
        try:
            os.close(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
        except PermissionError:
            found.append(path)
        except OSError:
            pass
    return found


def devices() -> Iterator[Path]:
    yield from map(Path, _DEVICES)


def configuration(etc: Path) -> Iterator[Path]:
    """Whoever renews resolv.conf mostly puts a new file in its place, which only a rule for the directory covers.

    So it is the whole directory, in which an ordinary user may read nothing secret; whoever may read the passwords
    of all users gets the single files.
    """
    if not os.access(etc / "shadow", os.R_OK):
        yield etc
        return
    for name in _NAMES:
        yield etc / name
    # A link mostly points to a directory of whoever manages the network.
    target = (etc / "resolv.conf").resolve().parent
    if len(target.parts) > 2:
        yield target
