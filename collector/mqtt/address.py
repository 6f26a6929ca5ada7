"""Where a broker is, how its certificate is checked, and under which name we are known to it."""

import hashlib
import socket
import ssl
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from collector.errors import ConfigurationError

PORTS = {"mqtt": 1883, "mqtts": 8883}


class Address(NamedTuple):
    host: str
    port: int
    tls: bool

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse(url: str) -> Address:
    """`mqtt://host[:port]` or `mqtts://host[:port]`; a ValueError says what to write instead."""
    # No other line may repeat a URL that holds a password.
    if "@" in url:
        raise ValueError("the URL holds a user name; use username and password_file instead")
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ValueError(f"{url!r} is no URL; write mqtt://host:1883 or mqtts://host:8883") from None
    if parts.scheme in ("ws", "wss"):
        raise ValueError(f"{parts.scheme}:// is not built yet; use mqtt:// or mqtts://")
    if parts.scheme not in PORTS:
        raise ValueError(f"{url!r} is no broker's URL; write mqtt://host:1883 or mqtts://host:8883")
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError(f"{url!r} goes on behind host and port; name topics by topic or topics instead")
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port == 0 or not parts.hostname:
        raise ValueError(f"{url!r} has no host or no port from 1 to 65535; write mqtt://host:1883")
    return Address(parts.hostname, port or PORTS[parts.scheme], parts.scheme == "mqtts")


def tls_context(
    ca_file: Path | None = None, cert_file: Path | None = None, key_file: Path | None = None
) -> ssl.SSLContext:
    """Verifies the broker always, against `ca_file` or else the system's authorities; TLS 1.2 at least.

    ConfigurationError names each file that cannot be used. `key_file` may be left out when `cert_file`
    holds the key as well.
    """
    context = ssl.create_default_context() if ca_file is None else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    mistakes = []
    if ca_file is not None:
        try:
            context.load_verify_locations(ca_file)
        except ssl.SSLError:
            mistakes.append(f"ca_file {ca_file}: holds no certificate in PEM form")
        except OSError as error:
            mistakes.append(f"ca_file {ca_file}: {error.strerror}")
    if cert_file is not None:
        mistakes += _load_own(context, cert_file, key_file)
    elif key_file is not None:
        mistakes.append(f"key_file {key_file}: needs a cert_file beside it")
    if mistakes:
        raise ConfigurationError(mistakes)
    return context


def _load_own(context: ssl.SSLContext, cert_file: Path, key_file: Path | None) -> list[str]:
    """OpenSSL does not say which of the two files it failed on, so each is opened first."""
    mistakes = []
    for key, file in (("cert_file", cert_file), ("key_file", key_file)):
        if file is not None:
            try:
                file.open("rb").close()
            except OSError as error:
                mistakes.append(f"{key} {file}: {error.strerror}")
    if mistakes:
        return mistakes
    holder = f"key_file {key_file}" if key_file is not None else f"cert_file {cert_file}"
    try:
        # An encrypted key must fail here, not ask on the terminal.
        context.load_cert_chain(cert_file, key_file, password=lambda: b"")
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            return [f"{holder}: is not the key of cert_file {cert_file}"]
        return [f"{holder}: with cert_file {cert_file} it is no certificate and unencrypted key in PEM form"]
    return []


def client_id(collector_id: str, name: str, machine: str) -> str:
    """The id of one source or sink; `machine` keeps boxes apart that share a host name."""
    return f"{collector_id}-{machine[:8]}-{name}"


def machine_id(file: Path = Path("/etc/machine-id")) -> str:
    """Hex digits that only this machine has: a hash, as machine-id(5) wants its contents kept here."""
    try:
        raw = file.read_text().strip()
    except (OSError, ValueError):
        raw = ""
    return hashlib.sha256(b"edge-collector " + (raw or socket.gethostname()).encode()).hexdigest()[:32]
