"""The way to a broker, TCP and TLS, with one clear line for whatever fails on it."""

import asyncio
import errno
import socket
import ssl
from collections.abc import Callable
from typing import Any, Final, TypeVar

from collector.mqtt.address import Address
from collector.mqtt.errors import SessionError

Target = tuple[Any, ...]
Connection = TypeVar("Connection", bound=asyncio.BaseProtocol)

# X509_V_ERR_* of OpenSSL, by what the operator has to look at.
_CERTIFICATE: Final = {
    9: "the broker's certificate is not valid yet: is this machine's clock right?",
    10: "the broker's certificate has expired, or this machine's clock is wrong",
    18: "the broker's certificate is signed by itself: name it in ca_file to trust it",
    19: "unknown authority: ca_file does not hold the one that signed the broker's certificate",
    20: "unknown authority: ca_file does not hold the one that signed the broker's certificate",
    23: "the broker's certificate has been revoked",
    62: "the broker's certificate is made out to another host name",
    64: "the broker's certificate is made out to another IP address",
}


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


def describe(error: BaseException | None) -> str:
    """What ended or prevented a connection, in words for a person; None is a plain end of stream."""
    match error:
        case None:
            return "the broker closed the connection"
        case UnicodeError():
            return "no such host (not a name DNS can hold)"
        case socket.gaierror():
            return f"no such host ({error.strerror})"
        case ssl.SSLCertVerificationError():
            return f"TLS: {_CERTIFICATE.get(error.verify_code, error.verify_message)}"
        case ssl.SSLError(reason="TLSV13_ALERT_CERTIFICATE_REQUIRED" | "SSLV3_ALERT_HANDSHAKE_FAILURE"):
            return f"TLS: the broker wants a certificate of ours: set cert_file and key_file ({error.reason})"
        case ssl.SSLError(reason="WRONG_VERSION_NUMBER" | "RECORD_LAYER_FAILURE"):
            return "TLS: the broker does not speak TLS on this port: use mqtt://, or the port of mqtts://"
        case ssl.SSLError():
            return f"TLS: {error.reason or error.strerror or error}"
        case TimeoutError(errno=None):
            return "no answer in time"
        case ConnectionRefusedError():
            return "connection refused: no broker listens there"
        case ConnectionResetError() | BrokenPipeError():
            return "connection reset by the broker"
        case OSError(errno=errno.ETIMEDOUT):
            return "the network lost the connection (no acknowledgement of what was sent)"
        case OSError():
            return error.strerror or str(error)
    return f"{type(error).__name__}: {error}"
