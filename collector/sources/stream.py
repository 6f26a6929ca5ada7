"""A serial line behind a TCP port: its bytes and nothing else, or with its settings (RFC 2217)."""

import asyncio
import socket
from collections.abc import Callable
from typing import cast

from collector.config.port import NetworkPort
from collector.errors import SourceError
from collector.profiles.profile import SerialSettings
from collector.sources.rfc2217 import Rfc2217Client

PATIENCE = 10.0
"""Seconds for the connection to stand, and for the far end to agree to the line's settings."""

_KEEPALIVE = {socket.TCP_KEEPIDLE: 30, socket.TCP_KEEPINTVL: 10, socket.TCP_KEEPCNT: 3}
"""A gateway that lost its power says nothing: after a minute the kernel takes it for dead."""


class StreamLine(asyncio.Protocol):
    """One connection. `lost` ends with the error that ended it."""

    def __init__(self, place: NetworkPort, client: Rfc2217Client | None, receive: Callable[[bytes], None]) -> None:
        self._place = place
        self._client = client
        self._receive = receive
        self._transport: asyncio.Transport | None = None
        loop = asyncio.get_running_loop()
        self.lost: asyncio.Future[None] = loop.create_future()
        self._agreed: asyncio.Future[None] = loop.create_future()

    @classmethod
    async def open(
        cls, place: NetworkPort, settings: SerialSettings, receive: Callable[[bytes], None], paused: bool
    ) -> "StreamLine":
        """Raises SourceError with what to do about it."""
        client = Rfc2217Client(settings) if place.scheme == "rfc2217" else None
        line = cls(place, client, receive)
        try:
            async with asyncio.timeout(PATIENCE):
                await asyncio.get_running_loop().create_connection(lambda: line, place.host, place.port)
                if client is not None:
                    await line._agreed
        except TimeoutError:
            line.close()
            what = "does not speak RFC 2217; try socket://" if line._transport else "no answer; is it switched on?"
            raise SourceError(f"{place}: {what}") from None
        except OSError as error:
            line.close()
            raise SourceError(f"{place}: {error.strerror or error}; is it switched on, and the port right?") from None
        except BaseException:
            line.close()
            raise
        line.pause(paused)
        return line

    def pause(self, paused: bool) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        if paused and self._transport.is_reading():
            self._transport.pause_reading()
        elif not paused and not self._transport.is_reading():
            self._transport.resume_reading()

    def write(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(self._client.encode(data) if self._client else data)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()
        if not self.lost.done():
            self.lost.cancel()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        connection = transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in _KEEPALIVE.items():
            connection.setsockopt(socket.IPPROTO_TCP, option, value)
        if self._client is not None:
            self._transport.write(self._client.greeting())

    def data_received(self, data: bytes) -> None:
        try:
            if self._client is not None:
                data = self._unwrapped(self._client, data)
            if data:
                self._receive(data)
        except Exception as error:
            self._lose(error)

    def connection_lost(self, error: Exception | None) -> None:
        self._lose(SourceError(f"{self._place}: connection lost ({error or 'the far end closed it'})"))

    def _unwrapped(self, client: Rfc2217Client, data: bytes) -> bytes:
        payload, answers = client.feed(data)
        if answers and self._transport is not None:
            self._transport.write(answers)
        if client.agreed and not self._agreed.done():
            self._agreed.set_result(None)
        elif client.refused:
            self._lose(SourceError(f"{self._place}: does not speak RFC 2217; try socket://"))
        return payload if client.agreed else b""

    def _lose(self, error: Exception) -> None:
        if not self._agreed.done():
            self._agreed.set_exception(error)
            self._agreed.exception()  # seen: with socket:// nobody waits for it
        if not self.lost.done():
            self.lost.set_exception(error)
            self.lost.exception()
        if self._transport is not None:
            self._transport.abort()
