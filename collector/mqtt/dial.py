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


async def dial(
    protocol: Callable[[], Connection],
    address: Address,
    context: ssl.SSLContext | None,
    *,
    user_timeout: float,
    timeout: float,
) -> Connection:
    """The connected protocol. Raises SessionError; times are in seconds.

    Each of a host's addresses gets an even share of `timeout`, so that a dead IPv6 route leaves time for
    IPv4. `user_timeout` is after how long unanswered bytes end the connection; 0 leaves it to the system.
    """
    loop = asyncio.get_running_loop()
    failure: BaseException = TimeoutError()
    try:
        async with asyncio.timeout(timeout):
            found = await loop.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
            for family, kind, number, _, target in found:
                try:
                    async with asyncio.timeout(timeout / len(found)):
                        connection = await _connect(family, kind, number, target, user_timeout)
                        try:
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
                except ssl.SSLError:
                    # The host was reached; another of its addresses would say the same.
                    raise
                except OSError as error:
                    failure = error
            raise failure
    except (OSError, UnicodeError) as error:
        why = describe(error)
        if context is not None and isinstance(error, ConnectionResetError):
            why = f"TLS: {why} in the handshake: is this its port for TLS?"
        raise SessionError(f"{address}: {why}") from error


async def _connect(family: int, kind: int, number: int, target: Target, user_timeout: float) -> socket.socket:
    connection = socket.socket(family, kind, number)
    try:
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(user_timeout * 1000))
        await asyncio.get_running_loop().sock_connect(connection, target)
    except BaseException:
        connection.close()
        raise
    return connection
