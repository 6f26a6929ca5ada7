"""uvicorn in a loop that belongs to somebody else, on a socket that is ours."""

import asyncio
import contextlib
import errno
import logging
import socket
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import Server

from collector.status.asgi import Receive, Scope, Send

HEAD_BYTES = 8192
"""Largest request line with headers."""

_REASONS = {
    errno.EADDRINUSE: "is in use",
    errno.EACCES: "may not be used by this user",
    errno.EADDRNOTAVAIL: "is no address of this machine",
}


class EmbeddedServer(Server):
    """Leaves the signals to the program, and sleeps where uvicorn's own loop wakes up ten times a second.

    `serve` goes on till cancelled, and then ends what is under way as `Config` allows.
    """

    def __init__(self, config: Config, listener: socket.socket) -> None:
        super().__init__(config)
        self._listener = listener

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def main_loop(self) -> None:
        await self.on_tick(0)  # sets the headers that every answer carries
        try:
            await asyncio.Event().wait()
        finally:
            await self.shutdown(sockets=[self._listener])


def configuration(
    app: Callable[[Scope, Receive, Send], Awaitable[None]], connection: type[H11Protocol], **more: Any
) -> Config:
    """HTTP/1.1 and nothing around it; `connection` bounds what a client may cost."""
    return Config(
        app,
        http=connection,
        ws="none",
        lifespan="off",
        loop="none",
        log_config=None,
        log_level=logging.CRITICAL + 1,  # whoever sends garbage must not fill the log
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        h11_max_incomplete_event_size=HEAD_BYTES,
        **more,
    )


def bind_tcp(host: str, port: int) -> socket.socket:
    """A listening socket. Raises OSError; `reason` puts it into words."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, dualstack_ipv6=host == "::")


def reason(error: OSError) -> str:
    """Why an address cannot be listened on, to stand behind that address."""
    return _REASONS.get(error.errno or 0, f"cannot be listened on ({error.strerror or error})")
