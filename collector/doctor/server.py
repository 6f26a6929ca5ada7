"""An HTTP sink's server, asked for a page as the sink would post: proxy, TLS, HTTP. Nothing is posted to it."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Iterable

from collector import __version__, tls
from collector.clock import SystemClock
from collector.config.credentials import tls_files
from collector.config.load import Loaded
from collector.config.model import HttpSink
from collector.doctor import certificate, way
from collector.doctor.finding import Finding, Subject
from collector.doctor.way import Blocked, Stream
from collector.sinks import endpoint
from collector.sinks.answer import IN_FRONT
from collector.sinks.endpoint import Endpoint

MOST_ANSWER = 16 * 1024
"""Bytes of an answer in which the words of a server that refuses us are looked for."""

REST = 1.0
"""Seconds for what follows the first bytes of a refusal."""

_FROM_THE_PROXY = frozenset({407, 502, 503, 504})
"""For http:// its answer stands where the server's would; these are its own, or say that the server is not there."""

_OUR_CERTIFICATE = "set cert_file and key_file to what the server's operator signed, or have that renewed"


async def examine(subject: Subject, section: HttpSink, loaded: Loaded) -> Iterable[Finding]:
    proxy = endpoint.parse_proxy(section.proxy) if section.proxy is not None else None
    through = f" through proxy {proxy}" if proxy is not None else ""
    found: list[Finding] = []
    for url in [section.url] if section.url is not None else section.urls or []:
        server = endpoint.parse(url)
        there = Subject(subject.subject, f"{subject.where}: {server}{through}")
        context = tls.tls_context(**tls_files(section, loaded.folder)) if server.tls else None
        try:
            found.append(await _ask(there, server, proxy, context))
        except Blocked as blocked:
            found.append(await _expired(there, server, proxy, blocked) or there.fail(blocked.found, blocked.advice))
    return found


async def reach(subject: Subject, host: str, port: int, context: ssl.SSLContext, far_end: tls.FarEnd) -> Finding:
    """TLS and the certificate's days; not a word is said on the connection."""
    server = Endpoint("", host, port, tls=True)
    try:
        async with way.opened(host, port, context, far_end) as stream:
            return _days(subject, stream)
    except Blocked as blocked:
        return await _expired(subject, server, None, blocked) or subject.fail(blocked.found, blocked.advice)


async def _ask(subject: Subject, server: Endpoint, proxy: Endpoint | None, context: ssl.SSLContext | None) -> Finding:
    """Raises Blocked."""
    if proxy is not None and context is None:
        async with way.opened(proxy.host, proxy.port) as stream:
            status = way.status_of(await way.asked(stream, _request(server, f"http://{server}/")))
        if status in _FROM_THE_PROXY:
            raise way.refused(status)
        return subject.ok("reached, without TLS")
    async with _opened(server, proxy, context) as stream:
        answer = await _answer(stream, _request(server, "/"))
        refused = IN_FRONT.search(answer) if answer.startswith((b"HTTP/1.0 400", b"HTTP/1.1 400")) else None
        if context is not None and refused:
            raise Blocked("TLS: the server refuses us without a certificate that it knows", _OUR_CERTIFICATE)
        if context is not None and answer.startswith(b"HTTP/"):
            return _days(subject, stream)
    if context is None and (refused or (not answer.startswith(b"HTTP/") and await way.speaks_tls(*server[1:3]))):
        raise Blocked("the server speaks TLS on this port", "write https:// in url, or the port of http://")
    if not answer:
        advice = f"it may want a certificate of ours: {_OUR_CERTIFICATE}" if context else "is this its port for HTTP?"
        raise Blocked("the server closed the connection without an answer", advice)
    if not answer.startswith(b"HTTP/"):
        raise Blocked("what answers there does not speak HTTP", "correct the port of url")
    return subject.ok("reached, without TLS")


@contextlib.asynccontextmanager
async def _opened(server: Endpoint, proxy: Endpoint | None, context: ssl.SSLContext | None) -> AsyncIterator[Stream]:
    if proxy is None:
        async with way.opened(server.host, server.port, context) as stream:
            yield stream
        return
    async with way.opened(proxy.host, proxy.port) as stream:
        await way.tunnel(stream, server)
        if context is not None:
            await way.secure(stream, context, server.host, "server")
        yield stream


def _request(server: Endpoint, target: str) -> str:
    fields = f"Host: {server}\r\nUser-Agent: edge-collector/{__version__}\r\nAccept: */*\r\nConnection: close"
    return f"GET {target} HTTP/1.1\r\n{fields}\r\n\r\n"


async def _answer(stream: Stream, request: str) -> bytes:
    """How it begins; empty where there is none. Raises Blocked for what TLS 1.3 tells only now."""
    stream.writer.write(request.encode())
    answer = b""
    try:
        answer = await stream.reader.read(MOST_ANSWER)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(REST):
                while (
                    b" 400 " in answer[:16] and len(answer) < MOST_ANSWER and (more := await stream.reader.read(4096))
                ):
                    answer += more
    except ssl.SSLError as error:
        raise way.blocked_by(error, "server") from error
    except OSError:
        pass
    return answer


def _days(subject: Subject, stream: Stream) -> Finding:
    der = stream.certificate
    assert der is not None
    return certificate.remaining(subject, "reached, and its certificate", der, SystemClock().wall_ns())


async def _expired(subject: Subject, server: Endpoint, proxy: Endpoint | None, blocked: Blocked) -> Finding | None:
    """The day on which an unaccepted certificate expired, if that is what it did: nothing else is said of it."""
    error = tls.ssl_error(blocked)
    if not isinstance(error, ssl.SSLCertVerificationError) or error.verify_code != tls.EXPIRED:
        return None
    with contextlib.suppress(Blocked):
        async with _opened(server, proxy, way.unverified()) as stream:
            der = stream.certificate
            return certificate.remaining(subject, "its certificate", der, SystemClock().wall_ns()) if der else None
    return None
