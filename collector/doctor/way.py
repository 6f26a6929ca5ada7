"""The way to a far end, step by step as a client goes it: network, proxy, TLS."""

import asyncio
import contextlib
import re
import socket
import ssl
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import NamedTuple

from collector import tls
from collector.sinks.endpoint import Endpoint

PROXY_PATIENCE = 3.0
"""Seconds for a proxy to answer; one that passes on packets to nowhere takes longer."""

TLS_PATIENCE = 1.0
"""Seconds in which a port that speaks TLS shows it."""

_STATUS = re.compile(rb"HTTP/1\.[01] ([1-9][0-9][0-9])\b")


class Blocked(Exception):
    """Where the way ends: what was found there, and what to do."""

    def __init__(self, found: str, advice: str) -> None:
        super().__init__(found)
        self.found = found
        self.advice = advice


class Stream(NamedTuple):
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @property
    def certificate(self) -> bytes | None:
        """The far end's, in DER form; None without TLS."""
        shown = self.writer.get_extra_info("ssl_object")
        return shown.getpeercert(binary_form=True) if shown is not None else None


@contextlib.asynccontextmanager
async def opened(
    host: str, port: int, context: ssl.SSLContext | None = None, far_end: tls.FarEnd = "server"
) -> AsyncIterator[Stream]:
    """A connection, cut at the end. Raises Blocked."""
    try:
        stream = Stream(*await asyncio.open_connection(host, port))
    except (OSError, UnicodeError) as error:
        raise Blocked(_network_fault(error), "is the address right, and does the network reach it?") from error
    try:
        if context is not None:
            await secure(stream, context, host, far_end)
        yield stream
    finally:
        stream.writer.transport.abort()


async def secure(stream: Stream, context: ssl.SSLContext, host: str, far_end: tls.FarEnd) -> None:
    """Raises Blocked, its cause what OpenSSL said."""
    try:
        await stream.writer.start_tls(context, server_hostname=host)
    except ssl.SSLError as error:
        raise blocked_by(error, far_end) from error
    except OSError as error:
        advice = "is this its port for TLS? It may want a certificate of ours: set cert_file and key_file"
        raise Blocked("TLS: the connection was cut in the handshake", advice) from error


async def tunnel(proxy: Stream, server: Endpoint) -> None:
    """Asks a proxy to connect us (RFC 9110 §9.3.6). Raises Blocked."""
    status = status_of(await asked(proxy, f"CONNECT {server} HTTP/1.1\r\nHost: {server}\r\n\r\n"))
    if not 200 <= status < 300:
        raise refused(status)


async def asked(proxy: Stream, request: str) -> bytes:
    """How a proxy's answer begins, the empty line that ends its head with it. Raises Blocked."""
    proxy.writer.write(request.encode())
    advice = "is this the proxy's address and port?"
    try:
        async with asyncio.timeout(PROXY_PATIENCE):
            return await proxy.reader.readuntil(b"\r\n\r\n")
    except TimeoutError as error:
        found = f"the proxy does not answer within {PROXY_PATIENCE:g} s"
        raise Blocked(found, f"{advice} Does it reach the server?") from error
    except asyncio.IncompleteReadError as error:
        raise Blocked("the proxy closed the connection without an answer", advice) from error
    except (asyncio.LimitOverrunError, OSError) as error:
        raise Blocked("the proxy's answer is not HTTP", advice) from error


def status_of(answer: bytes) -> int:
    """Of a proxy. Raises Blocked for what is not HTTP."""
    match = _STATUS.match(answer)
    if match is None:
        raise Blocked("the proxy's answer is not HTTP", "is this the proxy's address and port?")
    return int(match[1])


def refused(status: int) -> Blocked:
    try:
        phrase = f" {HTTPStatus(status).phrase}"
    except ValueError:
        phrase = ""
    advice = "does it let this machine through to that server? Look at its log"
    if status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
        advice = "it wants a password, which is not supported: have it let this machine through without"
    return Blocked(f"the proxy answers {status}{phrase}", advice)


def blocked_by(error: ssl.SSLError, far_end: tls.FarEnd) -> Blocked:
    return Blocked(tls.describe(error, far_end), remedy(error))


def remedy(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        match error.verify_code:
            case tls.NOT_YET:
                return "is an NTP server reachable? Look at: timedatectl timesync-status"
            case tls.EXPIRED:
                return "have it renewed; if it is good, set this machine's clock"
            case 18 | 19 | 20:
                return "set ca_file to the authority that signed it, if you trust it"
        return "correct the host in url, or have the certificate made out to it"
    if tls.refuses_us(error):
        return "set cert_file and key_file to what the far end's operator signed, or have that renewed"
    return "is this its port for TLS? Correct the scheme or the port of url"


async def speaks_tls(host: str, port: int) -> bool:
    """Whatever its certificate."""
    try:
        async with asyncio.timeout(TLS_PATIENCE), opened(host, port, unverified()):
            return True
    except Blocked as blocked:
        error = tls.ssl_error(blocked)
        return error is not None and not tls.speaks_no_tls(error)
    except TimeoutError:
        return False


def unverified() -> ssl.SSLContext:
    """To look at a certificate that is not accepted; nothing is said on such a connection."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _network_fault(error: OSError | UnicodeError) -> str:
    match error:
        case socket.gaierror() | UnicodeError():
            return f"no such host ({getattr(error, 'strerror', None) or 'not a name DNS can hold'})"
        case ConnectionRefusedError():
            return "connection refused: nothing listens there"
    return error.strerror or str(error)
