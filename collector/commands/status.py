"""`edge-collector status`: asks the running daemon how it is, and says what to do where something is wrong."""

import argparse
import http.client
import socket
import sys
from pathlib import Path

import msgspec

from collector.commands.check import DEFAULT_FILE
from collector.commands.status_text import show
from collector.config.listen import ListenAddress
from collector.config.load import Loaded, load
from collector.config.secrets import read_secret
from collector.errors import CollectorError, ConfigurationError
from collector.status.report import Report

_TIMEOUT = 5.0
_ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}


def add_to(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "status",
        help="show what the running collector does",
        description="Shows sources, sinks, the books and what to do where something is wrong.",
    )
    parser.add_argument("--json", action="store_true", help="print what the daemon's /status says, as it is")
    parser.add_argument(
        "-c",
        "--config",
        metavar="FILE",
        type=Path,
        default=DEFAULT_FILE,
        help="the configuration file of the running collector (default: %(default)s)",
    )
    parser.set_defaults(func=run)


def run(arguments: argparse.Namespace) -> int:
    try:
        body = fetch(load(arguments.config))
        if arguments.json:
            print(body.decode())
        else:
            show(msgspec.json.decode(body, type=Report))
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return 2
    except CollectorError as error:
        print(f"edge-collector status: {error}", file=sys.stderr)
        return 1
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        print(
            f"edge-collector status: the answer is not a collector's /status ({error}); "
            "does another program listen on status.listen, or is the daemon of another version?",
            file=sys.stderr,
        )
        return 1
    return 0


def fetch(loaded: Loaded) -> bytes:
    """The daemon's `/status`. Raises CollectorError with what to do when there is no answer."""
    section = loaded.configuration.status
    if section.listen is None:
        raise CollectorError(f"the status server is off; set status.listen in {loaded.path} and restart the daemon")
    headers = {}
    if section.token_file is not None:
        token = read_secret(section.token_file, base=loaded.folder)
        headers["Authorization"] = f"Bearer {token.decode('latin-1')}"
    connection = _connection(ListenAddress.parse(section.listen))
    try:
        connection.request("GET", "/status", headers=headers)
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
        raise CollectorError(f"{section.listen}: /status answered {response.status} {response.reason}")
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
