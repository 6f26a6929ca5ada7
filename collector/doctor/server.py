"""The way to an HTTP sink's server: name, network, TLS, and the certificate's days. Nothing is posted to it."""

import asyncio
import socket
import ssl
from collections.abc import Iterable

from collector.clock import SystemClock
from collector.config.credentials import tls_files
from collector.config.load import Loaded
from collector.config.model import HttpSink
from collector.doctor import certificate
from collector.doctor.finding import Finding, Subject
from collector.sinks import endpoint
from collector.tls import certificate_fault, tls_context

_NETWORK = "is the address right, and does the network reach it?"


async def examine(subject: Subject, section: HttpSink, loaded: Loaded) -> Iterable[Finding]:
    found: list[Finding] = []
    if section.proxy is not None:
        proxy = endpoint.parse_proxy(section.proxy)
        there = Subject(subject.subject, f"{subject.where}: proxy {proxy}")
        found.append(await reach(there, proxy.host, proxy.port))
        return found
    for url in [section.url] if section.url is not None else section.urls or []:
        server = endpoint.parse(url)
        there = Subject(subject.subject, f"{subject.where}: {server}")
        context = tls_context(**tls_files(section, loaded.folder)) if server.tls else None
        found.append(await reach(there, server.host, server.port, context))
    return found


async def reach(subject: Subject, host: str, port: int, context: ssl.SSLContext | None = None) -> Finding:
    try:
        _, writer = await asyncio.open_connection(host, port, ssl=context, server_hostname=host if context else None)
    except ssl.SSLCertVerificationError as error:
        expired = await _expired(subject, host, port)
        return expired or subject.fail(f"TLS: {certificate_fault(error, 'the server')}", "correct ca_file or the url")
    except ssl.SSLError as error:
        return subject.fail(f"TLS: {error.reason or error}", "is this its port for TLS? See url, cert_file, key_file")
    except (OSError, UnicodeError) as error:
        return subject.fail(_network_fault(error), _NETWORK)
    try:
        shown = writer.get_extra_info("ssl_object")
        der = shown.getpeercert(binary_form=True) if shown is not None else None
    finally:
        writer.transport.abort()
    if der is None:
        return subject.ok("reached, without TLS")
    return certificate.remaining(subject, "reached, and its certificate", der, SystemClock().wall_ns())


def _network_fault(error: OSError | UnicodeError) -> str:
    match error:
        case socket.gaierror() | UnicodeError():
            return f"no such host ({getattr(error, 'strerror', None) or 'not a name DNS can hold'})"
        case ConnectionRefusedError():
            return "connection refused: nothing listens there"
    return error.strerror or str(error)


async def _expired(subject: Subject, host: str, port: int) -> Finding | None:
    """The day on which an unaccepted certificate expired, if that is what it did: nothing else is said of it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        _, writer = await asyncio.open_connection(host, port, ssl=context)
    except OSError:
        return None
    der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.transport.abort()
    found = certificate.remaining(subject, "its certificate", der, SystemClock().wall_ns())
    return found if found.verdict == "fail" else None
