"""The receiver's side of HTTP: connections that may stay, and what a slow client may cost."""

import asyncio
import socket
import ssl
from pathlib import Path
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from collector.receive.app import ReadingsApp
from collector.receive.commits import GroupCommit
from collector.receive.store import Store
from collector.receive.tally import Account
from collector.status.embedded import EmbeddedServer, configuration
from collector.tls import tls_context

CONNECTIONS = 256
"""Most open at a time."""

KEEP_ALIVE = 30.0
"""Seconds a connection may idle between two requests; longer than clients keep one, so that they let go first."""

REQUEST_TIME = 60.0
"""Seconds for a request to arrive, from connecting or its first byte to the last byte of its body."""

STOP_TIME = 5.0
"""The same once the receiver is to stop."""


async def receive(
    listener: socket.socket,
    store: Store,
    account: Account,
    stop: asyncio.Event,
    *,
    token: bytes | None = None,
    tls: ssl.SSLContext | None = None,
) -> None:
    """Returns once all that was under way is committed and answered. Raises sqlite3.Error: nothing of it is."""
    commits = GroupCommit(store, account)
    config = configuration(
        ReadingsApp(store, commits, account, token), _Connection, backlog=CONNECTIONS, timeout_keep_alive=KEEP_ALIVE
    )
    config.load()
    config.ssl = tls
    serving = asyncio.create_task(EmbeddedServer(config, listener).serve(sockets=[listener]))
    stopping = asyncio.create_task(stop.wait())
    ends: list[asyncio.Future[Any]] = [serving, stopping, commits.failed]
    try:
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
        serving.cancel()
        await asyncio.wait([serving])
    if commits.failed.done():
        commits.failed.result()
    if not serving.cancelled():
        serving.result()


class _Connection(H11Protocol):
    """Bounds the time a request may take to arrive, never the time its commit takes.

    One connection too many ends the one that has kept us waiting longest; a commit under way is not disturbed.
    """

    _patience: asyncio.TimerHandle

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._patience = self.loop.call_later(REQUEST_TIME, transport.abort)
        if len(self.connections) > CONNECTIONS:
            ours = (connection for connection in self.connections if isinstance(connection, _Connection))
            slowest = min((one for one in ours if one._awaited()), key=lambda one: one._patience.when())
            self.connections.discard(slowest)  # now, because connection_lost comes only in the loop's next round
            slowest.transport.abort()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self._awaited():
            self._patience.cancel()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        # uvicorn ends an idle connection after KEEP_ALIVE unless a byte comes: so a request has all its time.
        self._wait(STOP_TIME if self.transport.is_closing() else KEEP_ALIVE + REQUEST_TIME)

    def shutdown(self) -> None:
        super().shutdown()
        self._wait(STOP_TIME)

    def connection_lost(self, exc: Exception | None) -> None:
        self._patience.cancel()
        super().connection_lost(exc)

    def _awaited(self) -> bool:
        """Whether it is the client's turn."""
        return self.cycle is None or self.cycle.more_body or self.cycle.response_complete

    def _wait(self, seconds: float) -> None:
        if self._awaited():
            self._patience.cancel()
            self._patience = self.loop.call_later(seconds, self.transport.abort)


def server_tls(cert_file: Path, key_file: Path | None, client_ca_file: Path | None) -> ssl.SSLContext:
    """With `client_ca_file`, only clients with a certificate of that authority get in. Raises ConfigurationError."""
    tls_context(client_ca_file, cert_file, key_file)  # opens the same files, and says which cannot be used and why
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(cert_file, key_file)
    if client_ca_file is not None:
        context.load_verify_locations(client_ca_file)
        context.verify_mode = ssl.CERT_REQUIRED
    return context
