"""Secrets stand in files of their own; no message, representation or output ever holds one."""

import os
import stat
from pathlib import Path

from collector.errors import ConfigurationError

_MOST_BYTES = 64 * 1024


def locate(name: str, *, base: Path) -> Path:
    """Where a file the configuration names is: among systemd's credentials, else beside the configuration.

    `LoadCredential=credentials:/etc/edge-collector/credentials` makes `credentials_token` of `credentials/token`.
    """
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    if credentials and not Path(name).is_absolute():
        candidate = Path(credentials) / name.replace("/", "_")
        if candidate.exists():
            return candidate
    return base / name


def read_secret(name: str, *, base: Path) -> bytes:
    """The secret without its trailing newline. Raises ConfigurationError, one line, when there is none."""
    path = locate(name, base=base)
    data = read_regular_file(path, limit=_MOST_BYTES)
    secret = data.removesuffix(b"\n").removesuffix(b"\r")
    if not secret:
        raise ConfigurationError([f"{path} is empty; write the secret into it"])
    return secret


def read_header_value(name: str, *, base: Path) -> str:
    """A secret that goes into an HTTP header: nothing in it may end the line there."""
    secret = read_secret(name, base=base)
    if secret != secret.strip() or not all(0x20 <= byte < 0x7F for byte in secret):
        fault = "holds more than one line of plain characters; write only the secret into it"
        raise ConfigurationError([f"{locate(name, base=base)} {fault}"])
    return secret.decode("ascii")


def read_regular_file(path: Path, *, limit: int) -> bytes:
    """Raises ConfigurationError, one line that names the file and what to do."""
    try:
        # Without O_NONBLOCK a FIFO in the secret's place would hold the start-up for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise ConfigurationError([f"{path} is no regular file; name another"])
            data = file.read(limit + 1)
    except FileNotFoundError:
        fault = "does not exist; create it or correct the name"
    except IsADirectoryError:
        fault = "is a directory; name the file itself"
    except PermissionError:
        fault = "may not be read; give the collector's user read access"
    except (OSError, ValueError) as error:
        fault = f"cannot be read ({getattr(error, 'strerror', None) or error}); name a readable file"
    else:
        if len(data) <= limit:
            return data
        fault = f"is larger than {limit // 1024} KiB; name the right file"
    raise ConfigurationError([f"{path} {fault}"]) from None


def open_to_others(path: Path) -> bool:
    """Whether every user of the machine may read the file."""
    try:
        return bool(path.stat().st_mode & 0o004)
    except OSError:
        return False
