"""The status server: uvicorn in the daemon's own loop. It costs 3 MB, so import it only when configured."""

import asyncio
import contextlib
import errno
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from uvicorn.protocols.http.h11_impl import H11Protocol

from collector import unix_socket
from collector.config.listen import ListenAddress
from collector.errors import CollectorError
from collector.status.embedded import EmbeddedServer, bind_tcp, configuration, reason

if TYPE_CHECKING:
    from collector.status.app import StatusApp

CONNECTIONS = 32
"""Most open at a time."""

LIFETIME = 10.0
"""Seconds a connection may last, from being accepted to the last byte of the answer."""


async def serve(listen: str, app: "StatusApp") -> None:
    """Serves till cancelled. Raises CollectorError when it cannot listen there; it may be called again."""
    with _bound(listen) as listener:
        config = configuration(
            app, _Connection, headers=[("connection", "close")], backlog=CONNECTIONS, timeout_graceful_shutdown=1
        )
        await EmbeddedServer(config, listener).serve(sockets=[listener])


class _Connection(H11Protocol):
    """One request and a limited life, so that nobody keeps a connection by sending or reading slowly.

    One connection too many ends the oldest, never the newest: a probe is answered however many others idle.
    """

    _end_of_life: asyncio.TimerHandle

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._end_of_life = self.loop.call_later(LIFETIME, transport.abort)
        if len(self.connections) > CONNECTIONS:
            ours = (connection for connection in self.connections if isinstance(connection, _Connection))
            oldest = min(ours, key=lambda connection: connection._end_of_life.when())
            self.connections.discard(oldest)  # now, because connection_lost comes only in the loop's next round
            oldest.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_of_life.cancel()
        super().connection_lost(exc)


@contextlib.contextmanager
def _bound(listen: str) -> Iterator[socket.socket]:
    """A listening socket; the file of a Unix socket goes at the end."""
    try:
        address = ListenAddress.parse(listen)
        listener = bind_tcp(address.host, address.port) if address.host else _bind_unix(Path(address.path or ""))
    except OSError as error:
        raise CollectorError(f"status: {listen} {reason(error)}; set status.listen") from error
    except ValueError as error:
        raise CollectorError(f"status.listen: {listen!r}: {error}") from error
    try:
        yield listener
    finally:
        listener.close()
        if address.path is not None:
            address.path.unlink(missing_ok=True)


def _bind_unix(path: Path) -> socket.socket:
    """Takes the place of a socket that nobody listens on any more; never that of anything else."""
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise OSError(errno.EEXIST, "a file that is not a socket stands there")
        if _is_answered(path):
            raise OSError(errno.EADDRINUSE, "in use")
        path.unlink()
    return unix_socket.listen(path, CONNECTIONS)


def _is_answered(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.setblocking(False)
        try:
            client.connect(os.fspath(path))
        except ConnectionRefusedError:
            return False
        except BlockingIOError:  # somebody listens, and is busy
            return True
        return True
