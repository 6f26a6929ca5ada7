"""Where a line is: a device's path, `usb:VID:PID[:SERIAL]`, `socket://HOST:PORT`, `rfc2217://HOST:PORT`, `tcp://HOST`."""

import re
from typing import NamedTuple
from urllib.parse import urlsplit

MODBUS_TCP = 502

_USB = re.compile(r"usb:([0-9A-Fa-f]{4}):([0-9A-Fa-f]{4})(?::([^:/\s]+))?")


class UsbPort(NamedTuple):
    """A serial adapter by what USB calls it."""

    vendor: str
    product: str
    serial: str | None

    def __str__(self) -> str:
        return ":".join(part for part in ("usb", *self) if part is not None)


class NetworkPort(NamedTuple):
    scheme: str
    """socket: the bytes of the line and nothing else. rfc2217: with its settings. tcp: Modbus TCP."""
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"


Port = str | UsbPort | NetworkPort
"""A path is a string."""


def parse(text: str) -> Port:
    """Where a serial line is. Raises ValueError with what to write instead."""
    if text.startswith("usb:"):
        found = _USB.fullmatch(text)
        if found is None:
            raise ValueError(f'"{text}" names no USB adapter; write usb:VID:PID as lsusb shows it: usb:1a86:7523')
        return UsbPort(found[1].lower(), found[2].lower(), found[3])
    if "://" in text:
        return _network(text, ("socket", "rfc2217"), None)
    if not text.startswith("/"):
        raise ValueError(f'"{text}" is not a device; give its path, such as /dev/ttyUSB0')
    return text


def parse_tcp(text: str) -> NetworkPort:
    """A Modbus TCP device or gateway. Raises ValueError with what to write instead."""
    return _network(text, ("tcp",), MODBUS_TCP)


def _network(text: str, schemes: tuple[str, ...], default: int | None) -> NetworkPort:
    wanted = " or ".join(f"{scheme}://HOST:PORT" for scheme in schemes)
    try:
        parts = urlsplit(text)
        port = parts.port or default
    except ValueError:
        raise ValueError(f'"{text}" is no address; write {wanted}') from None
    plain = not parts.path.strip("/") and not parts.query and not parts.fragment and parts.username is None
    if parts.scheme not in schemes or not parts.hostname or port is None or not plain:
        raise ValueError(f'"{text}" is no address; write {wanted}')
    return NetworkPort(parts.scheme, parts.hostname, port)
