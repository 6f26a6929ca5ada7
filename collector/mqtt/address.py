"""Where a broker is, and under which name we are known to it."""

import hashlib
import socket
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

PORTS = {"mqtt": 1883, "mqtts": 8883, "ws": 80, "wss": 443}
WEBSOCKET_PATH = "/mqtt"
"""What brokers answer WebSockets on unless told (the specification names none)."""

_KINDS = "write mqtt://host:1883, mqtts://host:8883, ws://host:8080/mqtt or wss://host/mqtt"


class Address(NamedTuple):
    host: str
    port: int
    tls: bool
    path: str | None = None
    """Where the broker's WebSocket is on its server; None for MQTT without WebSockets."""

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse(url: str) -> Address:
    """mqtt, mqtts, ws and wss, only the latter two with a path; a ValueError says what to write instead."""
    # No other line may repeat a URL that holds a password.
    if "@" in url:
        raise ValueError("the URL holds a user name; use username and password_file instead")
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ValueError(f"{url!r} is no URL; {_KINDS}") from None
    if parts.scheme not in PORTS:
        raise ValueError(f"{url!r} is no broker's URL; {_KINDS}")
    websocket = parts.scheme.startswith("ws")
    if (parts.path not in ("", "/") and not websocket) or parts.query or parts.fragment:
        raise ValueError(f"{url!r} goes on behind host and port; name topics by topic or topics instead")
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port == 0 or not parts.hostname:
        raise ValueError(f"{url!r} has no host or no port from 1 to 65535; write mqtt://host:1883")
    path = (parts.path or WEBSOCKET_PATH) if websocket else None
    return Address(parts.hostname, port or PORTS[parts.scheme], parts.scheme in ("mqtts", "wss"), path)


def client_id(collector_id: str, name: str, machine: str) -> str:
    """The id of one source or sink; `machine` keeps boxes apart that share a host name."""
    return f"{collector_id}-{machine[:8]}-{name}"


def machine_id(file: Path = Path("/etc/machine-id")) -> str:
    """Hex digits that only this machine has: a hash, as machine-id(5) wants its contents kept here."""
    try:
        raw = file.read_text().strip()
    except (OSError, ValueError):
        raw = ""
    return hashlib.sha256(b"edge-collector " + (raw or socket.gethostname()).encode()).hexdigest()[:32]
