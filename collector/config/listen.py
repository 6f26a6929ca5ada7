"""Where the status server listens: `host:port`, `[::1]:port` or `unix:/path`."""

import ipaddress
import re
from pathlib import Path
from typing import NamedTuple

_HOST_PORT = re.compile(r"(?:\[([0-9A-Fa-f:.%\w]+)\]|([^\s:/\[\]@]+)):([0-9]{1,5})")


class ListenAddress(NamedTuple):
    """Either a host and port, or the path of a Unix socket."""

    host: str | None = None
    port: int = 0
    path: Path | None = None

    @classmethod
    def parse(cls, text: str) -> "ListenAddress":
        """Raises ValueError with what to write instead."""
        if text.startswith("unix:"):
            path = Path(text.removeprefix("unix:"))
            if not path.is_absolute():
                raise ValueError('not an absolute path; write "unix:/run/edge-collector/status.sock"')
            return cls(path=path)
        match = _HOST_PORT.fullmatch(text)
        if match is None or int(match[3]) > 65535:
            raise ValueError('not an address; write "127.0.0.1:8080", "[::1]:8080" or "unix:/path"')
        return cls(host=match[1] or match[2], port=int(match[3]))

    @property
    def private(self) -> bool:
        """Whether only this machine can reach it."""
        if self.host is None or self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False
