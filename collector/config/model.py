"""The configuration as typed values. Keys, types and defaults are all here; `load` fills them from files."""

import socket
from pathlib import Path
from typing import Literal

import msgspec

from collector.config.units import Duration, Size


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of every table: an unknown key is a mistake, not a silence."""


class BackoffRange(Section, frozen=True, kw_only=True):
    min: Duration = Duration(1.0)
    max: Duration = Duration(60.0)


class CollectorSection(Section, frozen=True, kw_only=True):
    id: str = msgspec.field(default_factory=socket.gethostname)
    data_dir: Path = Path("/var/lib/edge-collector")


class SpoolSection(Section, frozen=True, kw_only=True):
    max_bytes: Size = Size(256 * 1024 * 1024)
    when_full: Literal["drop-oldest", "reject-new"] = "drop-oldest"
    hold: Duration = Duration(5.0)
    commit_after: Duration = Duration(1.0)
    linger: Duration = Duration(0.02)
    clock_wait: Duration = Duration(120.0)
    durability: Literal["normal", "strict"] = "normal"


class Tls(Section, frozen=True, kw_only=True):
    """Files for a TLS connection; all optional, the system's authorities by default."""

    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None


class SerialSource(Section, frozen=True, kw_only=True, tag="serial"):
    port: str
    profile: str
    baudrate: int | None = None
    """None: what the profile says."""
    bytesize: Literal[5, 6, 7, 8] | None = None
    parity: Literal["none", "even", "odd"] | None = None
    stopbits: Literal[1, 2] | None = None
    device: str | None = None
    time_field: str | None = None
    time_unit: Literal["s", "ms", "us", "ns", "iso8601"] = "s"
    device_field: str | None = None
    backoff: BackoffRange = BackoffRange()


class MqttSource(Tls, frozen=True, kw_only=True, tag="mqtt"):
    url: str
    topics: list[str]
    profile: str
    username: str | None = None
    password_file: str | None = None
    window: int = 1000
    qos: Literal[0, 1] = 1
    device: str | None = None
    time_field: str | None = None
    time_unit: Literal["s", "ms", "us", "ns", "iso8601"] = "s"
    device_field: str | None = None
    max_payload: Size = Size(256 * 1024)
    keepalive: Duration = Duration(30.0)
    session_expiry: Duration = Duration(7 * 86400.0)
    """How long the broker keeps our session, and so what it queued, while we are away."""
    backoff: BackoffRange = BackoffRange()


class HostSource(Section, frozen=True, kw_only=True, tag="host"):
    interval: Duration = Duration(30.0)
    device: str | None = None


class MqttSink(Tls, frozen=True, kw_only=True, tag="mqtt"):
    url: str | None = None
    urls: list[str] | None = None
    format: Literal["reading", "batch"] = "reading"
    topic: str | None = None
    """None: edge/{collector}/{device}/readings, for batches edge/{collector}/readings."""
    username: str | None = None
    password_file: str | None = None
    keepalive: Duration = Duration(30.0)
    backoff: BackoffRange = BackoffRange()


class StatusSection(Section, frozen=True, kw_only=True):
    listen: str | None = "127.0.0.1:8080"
    token_file: str | None = None


class LogSection(Section, frozen=True, kw_only=True):
    format: Literal["auto", "json", "gelf"] = "auto"
    level: Literal["debug", "info", "warning", "error"] = "info"


class SandboxSection(Section, frozen=True, kw_only=True):
    mode: Literal["enforce", "log", "off"] = "enforce"


Source = SerialSource | MqttSource | HostSource
Sink = MqttSink


class Configuration(Section, frozen=True, kw_only=True):
    collector: CollectorSection = CollectorSection()
    spool: SpoolSection = SpoolSection()
    sources: dict[str, Source] = {}
    sinks: dict[str, Sink] = {}
    status: StatusSection = StatusSection()
    log: LogSection = LogSection()
    sandbox: SandboxSection = SandboxSection()
