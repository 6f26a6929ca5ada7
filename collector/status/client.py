"""The other end of the status server: asks the running daemon, and makes sure that it is the right one."""

import http.client
import socket
from pathlib import Path
from typing import TypeVar

import msgspec

from collector.config.findings import quoted
from collector.config.listen import ListenAddress
from collector.config.load import Loaded
from collector.config.secrets import read_secret
from collector.errors import CollectorError
from collector.status.report import Report

_TIMEOUT = 5.0
_Answer = TypeVar("_Answer")
_ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}


class StrangerError(CollectorError):
    """Somebody answers on status.listen, and it is not the collector of this configuration."""


class _Named(msgspec.Struct):
    """What every version says."""

    collector: str


def status(loaded: Loaded) -> bytes:
    """/status as it is. Raises CollectorError where there is no answer, StrangerError where it is another's."""
    body = _fetch(loaded, "/status")
    named, expected = _decoded(body, _Named).collector, loaded.configuration.collector.id
    if named != expected:
        raise StrangerError(
            f"collector {quoted(named)} answers on {loaded.configuration.status.listen}, not {quoted(expected)}; "
            "give each collector its own status.listen, or restart this one if its collector.id has changed"
        )
    return body


def report(loaded: Loaded) -> Report:
    """Raises as `status`."""
    return _decoded(status(loaded), Report)


def metrics(loaded: Loaded) -> bytes:
    """Raises as `status`: figures alone do not say whose they are."""
    status(loaded)
    return _fetch(loaded, "/metrics")


def _decoded(body: bytes, type: type[_Answer]) -> _Answer:
    try:
        return msgspec.json.decode(body, type=type)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise StrangerError(
            f"the answer is not a collector's /status ({error}); "
            "does another program listen on status.listen, or is the daemon of another version?"
        ) from error


def _fetch(loaded: Loaded, path: str) -> bytes:
    section = loaded.configuration.status
    if section.listen is None:
        raise CollectorError(f"the status server is off; set status.listen in {loaded.path} and restart the daemon")
    headers = {}
    if section.token_file is not None:
        token = read_secret(section.token_file, base=loaded.folder)
        headers["Authorization"] = f"Bearer {token.decode('latin-1')}"
    connection = _connection(ListenAddress.parse(section.listen))
    try:
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        body = response.read()
    except PermissionError as error:
        raise CollectorError(f"{section.listen}: no permission; run it as root or as the collector's user") from error
    except TimeoutError as error:
        raise CollectorError(
            f"{section.listen}: connected, but no answer within {_TIMEOUT:.0f} s; look at: journalctl -u edge-collector"
        ) from error
    except (OSError, http.client.HTTPException) as error:
        raise CollectorError(
            f"nothing answers on {section.listen} ({getattr(error, 'strerror', None) or error}); "
            "is the daemon running? Look at: systemctl status edge-collector"
        ) from error
    finally:
        connection.close()
    if response.status == http.client.UNAUTHORIZED:
        raise CollectorError(f"{section.listen}: the daemon refuses our token; restart it if token_file has changed")
    if response.status != http.client.OK:
        raise CollectorError(f"{section.listen}: {path} answered {response.status} {response.reason}")
    return body


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=_TIMEOUT)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(_TIMEOUT)
        self.sock.connect(str(self._path))


def _connection(address: ListenAddress) -> http.client.HTTPConnection:
    if address.path is not None:
        return _UnixConnection(address.path)
    host = address.host or "localhost"
    return http.client.HTTPConnection(_ANY_ADDRESS.get(host, host), address.port, timeout=_TIMEOUT)
