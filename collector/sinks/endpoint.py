"""Where an HTTP server or proxy is. No I/O."""

from typing import NamedTuple
from urllib.parse import urlsplit

_PORTS = {"http": 80, "https": 443}

_KEY_LENGTH = 16
"""Characters. The words of a path are shorter, and masking them would take sense out of what servers say."""


class Endpoint(NamedTuple):
    url: str
    host: str
    port: int
    tls: bool

    @property
    def secrets(self) -> list[str]:
        """Long parts of the path: whoever knows a webhook's key may post there."""
        return [part for part in urlsplit(self.url).path.split("/") if len(part) >= _KEY_LENGTH]

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse(url: str) -> Endpoint:
    """`http[s]://host[:port][/path]`; a ValueError says what to write instead, and never repeats a secret."""
    if set("@?#") & set(url):
        raise ValueError("holds more than scheme, host, port and path; use token_file, or header and header_file")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError(f"{url!r} is no URL; write https://host/path") from None
    if parts.scheme not in _PORTS:
        raise ValueError(f"{url!r} is no web server's URL; write https://host/path")
    if port == 0 or not parts.hostname:
        raise ValueError(f"{url!r} has no host or no port from 1 to 65535; write https://host/path")
    return Endpoint(url, parts.hostname, port or _PORTS[parts.scheme], parts.scheme == "https")


def parse_proxy(url: str) -> Endpoint:
    """`http://host[:port]`; otherwise as `parse`."""
    if set("@?#") & set(url):
        raise ValueError("holds more than scheme, host and port; a proxy that wants a password is not supported")
    proxy = parse(url)
    if proxy.tls or urlsplit(url).path not in ("", "/"):
        raise ValueError(f"{url!r} is no proxy's URL; write http://host:3128")
    return proxy
