"""The parts of a bundle, each a file of text; one that cannot be had says why in its place."""

import asyncio
import os
import platform
import shutil
import sqlite3
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path

import msgspec

from collector import __version__
from collector.config.load import Loaded
from collector.config.show import show
from collector.doctor.examine import examine
from collector.errors import CollectorError
from collector.status import client
from collector.support import raw

UNIT = "edge-collector"
LINES = 2000
LOG_BYTES = 4 * 1024 * 1024
"""Of a log file, its end."""

_PACKAGES = (
    *("aiohttp", "aiomqtt", "aiosqlite", "h11", "msgspec", "prometheus_client"),
    *("psutil", "pyserial", "rich", "uvicorn", "uvloop"),
)


def parts(loaded: Loaded, log: Path | None) -> Iterator[tuple[str, str]]:
    """File name and text."""
    yield "versions.txt", versions()
    if loaded.mistakes:
        yield "mistakes.txt", "".join(f"{mistake}\n" for mistake in loaded.mistakes)
        yield "configuration.txt", raw.show(loaded.path)
    else:
        yield "configuration.toml", show(loaded.configuration)
    yield "warnings.txt", "".join(f"{warning}\n" for warning in loaded.warnings)
    yield "status.json", _or_why(lambda: client.status(loaded).decode())
    yield "metrics.txt", _or_why(lambda: client.metrics(loaded).decode())
    yield (
        "doctor.json",
        _or_why(lambda: msgspec.json.format(msgspec.json.encode(asyncio.run(examine(loaded)))).decode()),
    )
    yield "log.txt", _or_why(lambda: _tail(log) if log is not None else _journal())


def versions() -> str:
    lines = [
        f"edge-collector {__version__}",
        f"Python {sys.version}",
        f"SQLite {sqlite3.sqlite_version}",
        ssl.OPENSSL_VERSION,
        f"{_model()}, {' '.join(platform.uname()[2:5])}, {os.cpu_count()} processors",
        _system(),
        *(f"{package} {_version(package)}" for package in _PACKAGES),
    ]
    return "\n".join(lines) + "\n"


def _or_why(get: Callable[[], str]) -> str:
    try:
        return get()
    except (CollectorError, OSError, UnicodeError, subprocess.SubprocessError) as error:
        return f"not available: {error}\n"


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def _model() -> str:
    """A Raspberry Pi names itself in the device tree."""
    try:
        return Path("/proc/device-tree/model").read_text().rstrip("\0\n")
    except OSError:
        return "no device tree"


def _system() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", "")
    except OSError:
        return "no os-release"


def _tail(file: Path) -> str:
    with file.open("rb") as log:
        log.seek(max(0, os.fstat(log.fileno()).st_size - LOG_BYTES))
        return log.read(LOG_BYTES).decode("utf-8", "replace")


def _journal() -> str:
    missing = f"no log of unit {UNIT} in the journal; add one with --log FILE\n"
    if shutil.which("journalctl") is None:
        return missing
    command = ["journalctl", "--unit", UNIT, "--lines", str(LINES), "--no-pager", "--output", "short-iso", "--quiet"]
    result = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=15)
    return result.stdout or f"{missing}{result.stderr}"
