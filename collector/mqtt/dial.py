"""The way to a broker, TCP and TLS, with one clear line for whatever fails on it."""

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import Any, TypeVar

from collector.mqtt.address import Address
from collector.mqtt.errors import SessionError
from collector.mqtt.faults import describe

Target = tuple[Any, ...]
Connection = TypeVar("Connection", bound=asyncio.BaseProtocol)

STAGGER = 1.0
"""Seconds that each of a host's addresses has before the next is tried too (RFC 8305 §5): IPv6 may lead nowhere."""


async def dial(
    protocol: Callable[[], Connection],
    address: Address,
    context: ssl.SSLContext | None,
    *,
    timeout: float,
) -> Connection:
    """The connected protocol. Raises SessionError; TCP may take `timeout` seconds, and TLS as long again."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(timeout):
            connection = await _reach(address)
        try:
            async with asyncio.timeout(timeout):
                _, connected = await loop.create_connection(
                    protocol,
                    sock=connection,
                    ssl=context,
                    server_hostname=address.host if context else None,
                )
        except BaseException:
            connection.close()
            raise
        return connected
    except (OSError, UnicodeError) as error:
        why = describe(error)
        if context is not None and isinstance(error, ConnectionResetError):
            why = f"TLS: {why} in the handshake: is this its port for TLS?"
        raise SessionError(f"{address}: {why}") from error


async def _reach(address: Address) -> socket.socket:
    """A connection to the first of the host's addresses that answers."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    targets = iter(found)
    attempts: set[asyncio.Task[socket.socket]] = set()
    failure: BaseException | None = None
    try:
        while True:
            if (target := next(targets, None)) is not None:
                attempts.add(loop.create_task(_connect(target)))
            elif not attempts:
                raise failure or OSError("no address")
            patience = STAGGER if target is not None else None
            done, _ = await asyncio.wait(attempts, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
            for attempt in done:
                attempts.discard(attempt)
                if (failure := attempt.exception()) is None:
                    return attempt.result()
    finally:
        for attempt in attempts:
            attempt.add_done_callback(_close)
            attempt.cancel()


def _close(attempt: "asyncio.Task[socket.socket]") -> None:
    """Of two that came through at once, one is not needed."""
    if not attempt.cancelled() and attempt.exception() is None:
        attempt.result().close()


async def _connect(target: Target) -> socket.socket:
    family, kind, number, _, where = target
    connection = socket.socket(family, kind, number)
    try:
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(connection, where)
    except BaseException:
        connection.close()
        raise
    return connection
