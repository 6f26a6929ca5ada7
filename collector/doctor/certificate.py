"""How long a certificate is still good for."""

import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from collector.clock import SystemClock
from collector.config.secrets import locate
from collector.doctor.finding import Finding, Subject

SOON = 21
"""Days: what renews itself does so at 30, so below this something has gone wrong."""

_SEQUENCE, _INTEGER, _UTC_TIME, _VERSION = 0x30, 0x02, 0x17, 0xA0


def own(subject: Subject, name: str, folder: Path, clock: SystemClock) -> Iterator[Finding]:
    """The one we show to the far end: the first in its file."""
    path = locate(name, base=folder)
    there = Subject(subject.subject, f"{subject.where}: {path}")
    text = path.read_text("ascii", errors="replace")
    begin, end = text.find("-----BEGIN CERTIFICATE-----"), text.find("-----END CERTIFICATE-----")
    if begin < 0 or end < begin:
        yield there.fail("holds no certificate in PEM form", "give the certificate the far end's operator signed")
        return
    der = ssl.PEM_cert_to_DER_cert(text[begin : end + len("-----END CERTIFICATE-----")])
    yield remaining(there, "our certificate", der, clock.wall_ns())


def remaining(subject: Subject, whose: str, der: bytes, now_ns: int) -> Finding:
    until = not_after(der)
    days = (until - datetime.fromtimestamp(now_ns / 1e9, UTC)).days
    if days < 0:
        return subject.fail(f"{whose} expired on {until:%Y-%m-%d}", "renew it")
    if days < SOON:
        return subject.warn(f"{whose} is good for {days} days more, until {until:%Y-%m-%d}", "renew it")
    return subject.ok(f"{whose} is good for {days} days more, until {until:%Y-%m-%d}")


def not_after(der: bytes) -> datetime:
    """RFC 5280 §4.1: the second time of the certificate's validity. ValueError when it is no certificate.

    Read here because the ssl module tells it only of a certificate it trusts, and this is asked when it does not.
    """
    _, certificate, _ = _element(der, _SEQUENCE)
    _, rest, _ = _element(certificate, _SEQUENCE)
    tag, _, after = _element(rest)
    if tag == _VERSION:
        rest = after
    for expected in (_INTEGER, _SEQUENCE, _SEQUENCE):  # serial number, algorithm, issuer
        _, _, rest = _element(rest, expected)
    _, validity, _ = _element(rest, _SEQUENCE)
    _, _, rest = _element(validity)
    tag, value, _ = _element(rest)
    form = "%y%m%d%H%M%SZ" if tag == _UTC_TIME else "%Y%m%d%H%M%SZ"
    return datetime.strptime(value.decode("ascii"), form).replace(tzinfo=UTC)


def _element(data: bytes, expected: int | None = None) -> tuple[int, bytes, bytes]:
    """Tag, contents, and what follows, of the first element in DER."""
    if len(data) < 2 or (expected is not None and data[0] != expected):
        raise ValueError("no X.509 certificate")
    start, size = 2, data[1]
    if size & 0x80:
        start = 2 + (size & 0x7F)
        size = int.from_bytes(data[2:start], "big")
    if start + size > len(data):
        raise ValueError("a truncated certificate")
    return data[0], data[start : start + size], data[start + size :]
