"""The other end of the status server: asks the running daemon."""

import http.client
import socket
from pathlib import Path

from collector.config.listen import ListenAddress
from collector.config.load import Loaded
from collector.config.secrets import read_secret
from collector.errors import CollectorError

_TIMEOUT = 5.0
_ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}


def fetch(loaded: Loaded, path: str = "/status") -> bytes:
    """What the daemon says there. Raises CollectorError with what to do when there is no answer."""
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
