"""The way to a broker through WebSockets (MQTT 5 §6): aiohttp's client in the place of an asyncio transport."""

import asyncio
import errno
import ssl
from collections.abc import Callable
from typing import Any, Final, TypeVar

import aiohttp

from collector.mqtt import reason
from collector.mqtt.address import Address
from collector.mqtt.errors import SessionError
from collector.mqtt.faults import describe
from collector.mqtt.websocket import CLOSE_TIMEOUT, WebSocketTransport

SUBPROTOCOL: Final = "mqtt"

Connection = TypeVar("Connection", bound=asyncio.Protocol)


async def dial(
    protocol: Callable[[], Connection],
    address: Address,
    context: ssl.SSLContext | None,
    *,
    largest: int,
    timeout: float,
) -> Connection:
    """The connected protocol. Raises SessionError. TCP, TLS and HTTP may take `timeout` seconds each."""
    client = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(resolver=aiohttp.ThreadedResolver(), ssl=context or True),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
        trace_configs=[_no_redirect()],
    )
    path = address.path or "/"
    url = f"{'wss' if context else 'ws'}://{address}{path}"
    try:
        async with asyncio.timeout(3 * timeout):
            socket = await client.ws_connect(
                url,
                protocols=(SUBPROTOCOL,),
                timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_TIMEOUT),
                max_msg_size=largest,
            )
        if socket.protocol != SUBPROTOCOL:
            await socket.close()
            raise SessionError(f"{address}: {path} is a WebSocket, but none of MQTT: is it the broker's path?")
        connection = protocol()
        transport = WebSocketTransport(client, socket, connection)
    except SessionError:
        await client.close()
        raise
    except (aiohttp.ClientError, OSError, ValueError) as error:
        await client.close()
        raise SessionError(f"{address}: {_explain(error, path)}", _code(error)) from error
    except BaseException:
        await client.close()
        raise
    transport.start()
    return connection


def _explain(error: Exception, path: str) -> str:
    match error:
        case aiohttp.WSServerHandshakeError(status=101):
            return f"{path} answers, but not as a WebSocket ({error.message})"
        case aiohttp.WSServerHandshakeError():
            return f"{path} is no WebSocket, the server says {error.status}: is it the broker's path and port?"
        case _Redirected():
            return str(error)
        case aiohttp.ClientResponseError():
            return "the server does not speak HTTP on this port: is it the broker's for WebSockets?"
        case (
            aiohttp.ServerDisconnectedError()
            | aiohttp.ClientConnectionResetError()
            | aiohttp.ClientOSError(errno=errno.ECONNRESET)
        ):
            return "the server hung up on the WebSocket handshake: is this the broker's port for WebSockets?"
        case aiohttp.ClientOSError(__cause__=ssl.SSLError() as fault):
            # TLS 1.3 tells what it thinks of our certificate only after the handshake.
            return describe(fault)
        case aiohttp.ClientConnectorCertificateError(certificate_error=Exception() as fault):
            return describe(fault)
        case aiohttp.ClientConnectorError(os_error=OSError() as fault):
            return describe(fault)
        case aiohttp.InvalidURL():
            return describe(UnicodeError())
    return describe(error)


def _code(error: Exception) -> int | None:
    """A server in front of the broker that wants credentials refuses us as the broker itself would."""
    refused = isinstance(error, aiohttp.WSServerHandshakeError) and error.status in (401, 403)
    return reason.NOT_AUTHORIZED if refused else None


class _Redirected(aiohttp.ClientError):
    """aiohttp would follow, also from wss:// to ws://, and the password with it."""


def _no_redirect() -> aiohttp.TraceConfig:
    async def refuse(session: aiohttp.ClientSession, context: Any, to: aiohttp.TraceRequestRedirectParams) -> None:
        where = to.response.headers.get("Location", "elsewhere")
        raise _Redirected(f"the server sends us to {where}: name that in the URL")

    trace = aiohttp.TraceConfig()
    trace.on_request_redirect.append(refuse)
    return trace
