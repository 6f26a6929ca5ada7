"""Secrets and certificates that the configuration names, judged by what lies on disk."""

from collections.abc import Callable
from pathlib import Path

from collector.config.findings import Findings, Key
from collector.config.model import Tls
from collector.config.secrets import locate, open_to_others, read_regular_file, read_secret
from collector.errors import ConfigurationError
from collector.tls import tls_context

LOCAL_NAMES = {"localhost", "localhost.localdomain", "ip6-localhost", "127.0.0.1", "::1"}
"""What is sent there does not cross a network."""

_MOST_PEM_BYTES = 16 * 1024 * 1024


def tls_files(settings: Tls, folder: Path) -> dict[str, Path]:
    """The files that are named, by their keys."""
    return {
        name: locate(value, base=folder)
        for name in ("ca_file", "cert_file", "key_file")
        if (value := getattr(settings, name)) is not None
    }


def certificates(files: dict[str, Path], at: Key, findings: Findings) -> None:
    """`files` as `tls_files` gives them: each of use, and all together."""
    usable = bool(files)
    for name, file in files.items():
        try:
            read_regular_file(file, limit=_MOST_PEM_BYTES)
        except ConfigurationError as error:
            findings.mistake((*at, name), str(error))
            usable = False
    if usable:
        try:
            tls_context(**files)
        except ConfigurationError as error:
            for mistake in error.mistakes:
                name, _, fault = mistake.partition(" ")
                findings.mistake((*at, name), f"{fault}; give PEM files that belong together")


def secret(name: str, key: Key, folder: Path, findings: Findings, read: Callable[..., object] = read_secret) -> None:
    """Readable, and by `read` fit for its use."""
    path = locate(name, base=folder)
    try:
        read(name, base=folder)
    except ConfigurationError as error:
        findings.mistake(key, str(error))
    else:
        if open_to_others(path):
            findings.warn(key, f"every user may read {path}; give it to the collector's user and chmod 600")
