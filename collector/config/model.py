"""The configuration as typed values. Keys, types, limits and defaults are all here; `load` fills them."""

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
from msgspec import Meta

from collector.config.units import Duration, Size

Text = Annotated[str, Meta(min_length=1)]
Name = Annotated[str, Meta(min_length=1, pattern="^[A-Za-z0-9_-]+$")]
"""The name of a source or sink: it stands in topics, client ids, metric labels and on command lines."""


def _between(low: Duration | Size, high: Duration | Size) -> Meta:
    return Meta(extra={"between": (low, high)})


Pause = Annotated[Duration, _between(Duration.parse("1ms"), Duration.parse("1d"))]
Keepalive = Annotated[Duration, _between(Duration.parse("1s"), Duration.parse("65535s"))]
"""MQTT counts it in whole seconds and 16 bits; 0 would leave a dead connection unnoticed."""
Expiry = Annotated[Duration, _between(Duration.parse("1s"), Duration.parse("36500d"))]
Payload = Annotated[Size, _between(Size.parse("1 B"), Size.parse("255 MiB"))]
"""An MQTT packet ends at 256 MiB."""
Patience = Annotated[Duration, _between(Duration.parse("100ms"), Duration.parse("10m"))]
FileSize = Annotated[Size, _between(Size.parse("1 MiB"), Size.parse("1024 GiB"))]
FileAge = Annotated[Duration, _between(Duration.parse("1m"), Duration.parse("3650d"))]
SpoolSize = Annotated[Size, _between(Size.parse("1 MiB"), Size.parse("1024 GiB"))]
Silence = Annotated[Duration, _between(Duration.parse("1s"), Duration.parse("365d"))]
Coalesce = Annotated[Duration, _between(Duration.parse("0s"), Duration.parse("50ms"))]
Wait = Annotated[Duration, _between(Duration.parse("0s"), Duration.parse("1h"))]
TimeUnit = Literal["s", "ms", "us", "ns", "iso8601"]
MqttVersion = Literal["auto", "5", "3.1.1"]
"""auto: 5, and 3.1.1 where the broker refuses that."""
Timeout = Annotated[Duration, _between(Duration.parse("10ms"), Duration.parse("1m"))]
Retries = Annotated[int, Meta(ge=0, le=10)]
Baudrate = Annotated[int, Meta(ge=50, le=4_000_000)]


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of every table: an unknown key is a mistake, not a silence."""


class BackoffRange(Section, frozen=True, kw_only=True):
    min: Pause = Duration(1.0)
    """The shortest wait; how much longer it may be doubles from failure to failure."""
    max: Pause = Duration(60.0)
    """The longest wait."""


class CollectorSection(Section, frozen=True, kw_only=True):
    id: Annotated[str, Meta(min_length=1, max_length=64)] = msgspec.field(default_factory=socket.gethostname)
    """The name of this box, in every reading's identity; by default the host's. It must differ from box to box."""
    data_dir: Path = Path("/var/lib/edge-collector")
    """Where readings wait for the cloud; also state, and what was damaged (`quarantine/`)."""


class SpoolSection(Section, frozen=True, kw_only=True):
    max_bytes: SpoolSize = Size(256 * 1024 * 1024)
    """How much of the disk the spool may take."""
    when_full: Literal["drop-oldest", "reject-new"] = "drop-oldest"
    """reject-new: QoS 1 waits with its broker, and of what cannot wait the newest are dropped, counted."""
    hold: Wait = Duration(5.0)
    """How long a segment may wait in memory for a live sink before it is committed to disk."""
    commit_after: Wait = Duration(1.0)
    """The same while a sink is down."""
    linger: Wait = Duration(0.02)
    """How long readings gather before they are sealed as a segment."""
    clock_wait: Wait = Duration(120.0)
    """After a boot, how long delivery waits at most for the clock to be synchronised."""
    durability: Literal["normal", "strict"] = "normal"
    """strict: every segment is committed to disk before it is delivered, so that no power cut doubles any."""


class Tls(Section, frozen=True, kw_only=True):
    """Files for a TLS connection; all optional, the system's authorities by default."""

    ca_file: Text | None = None
    """Who signed the other side's certificate; the system's authorities by default."""
    cert_file: Text | None = None
    """Our own certificate, where the other side wants one."""
    key_file: Text | None = None
    """The key of cert_file."""


class SerialLine(Section, frozen=True, kw_only=True):
    """How a line is set."""

    baudrate: Baudrate | None = None
    """By default what the profile says."""
    bytesize: Literal[5, 6, 7, 8] | None = None
    """Data bits; by default what the profile says, as for parity and stopbits."""
    parity: Literal["none", "even", "odd"] | None = None
    """Parity bit."""
    stopbits: Literal[1, 2] | None = None
    """Stop bits."""
    dtr: bool | None = None
    """false keeps the line DTR low when the port is opened, so that no Arduino is reset; by default it goes high."""
    rts: bool | None = None
    """The same for RTS."""


class SerialSource(SerialLine, frozen=True, kw_only=True, tag="serial"):
    port: Text
    """A device below /dev (by-id names stay over replugging), usb:VID:PID[:SERIAL], socket:// or rfc2217://HOST:PORT."""
    profile: Text
    """What the bytes mean; `edge-collector profiles list` names all."""
    interval: Pause | None = None
    """How often to ask a device that its profile knows how to ask; by default what the profile says."""
    warm_up: Wait | None = None
    """How long what it says after waking, or after the start, is not believed; by default what the profile says."""
    device: Text | None = None
    """What the device is called in its readings; of MQTT sources `{1}` is the level the first wildcard matched."""
    time_field: Text | None = None
    """A field that holds the time of the reading; by default that is when it arrived."""
    time_unit: TimeUnit = "s"
    """What time_field counts since 1970, or its notation."""
    time_zone: Text | None = None
    """Of the device's local times, such as Europe/Amsterdam; in a time that names its own that counts."""
    device_field: Text | None = None
    """A field that holds the device's name."""
    columns: list[Text] | None = None
    """Of lines of values; by default what the profile says. Empty: c0, c1, ..."""
    column_units: dict[str, Text] | None = None
    """The unit of each column that has one."""
    separator: Text | None = None
    """`tab` and `space` by their names."""
    backoff: BackoffRange = BackoffRange()
    """How long to wait before another attempt."""


class ModbusDevice(Section, frozen=True, kw_only=True):
    """One slave on the line, or behind the gateway."""

    address: Annotated[int, Meta(ge=0, le=255)]
    """1 to 247; over TCP the unit."""
    profile: Text
    name: Text | None = None
    """What it is called in its readings; by default SOURCE-ADDRESS."""
    interval: Pause = Duration(10.0)
    """How often it is asked."""
    fields: Annotated[list[Text], Meta(min_length=1)] | None = None
    """What to ask for; by default what the profile says."""


class ModbusSource(SerialLine, frozen=True, kw_only=True, tag="modbus"):
    port: Text | None = None
    """The line, as for serial sources; or url."""
    url: Text | None = None
    """Modbus TCP: tcp://HOST, or tcp://HOST:PORT."""
    devices: Annotated[list[ModbusDevice], Meta(min_length=1)]
    """A table each: address, profile, name, interval ("10s" by default), fields (what to ask for)."""
    timeout: Timeout = Duration(0.5)
    """How long an answer may take, beside its way over the line."""
    retries: Retries = 2
    """How often the same is asked once more before a device counts as silent; then it is asked once in a while."""
    turnaround: Wait = Duration(0.0)
    """Silence between an answer and the next request; 3.5 characters at least."""
    backoff: BackoffRange = BackoffRange()


class MqttSource(Tls, frozen=True, kw_only=True, tag="mqtt"):
    url: Text
    """mqtt://HOST:PORT, mqtts://..., ws://HOST:PORT/PATH or wss://...; of an http sink http:// or https://."""
    protocol: MqttVersion = "auto"
    """auto: 5, and 3.1.1 where the broker does not speak 5."""
    topics: Annotated[list[Text], Meta(min_length=1)]
    """What to subscribe to; + and # stand for levels."""
    profile: Text
    username: Text | None = None
    """As whom to log in."""
    password_file: Text | None = None
    """The file that holds the password: looked up in $CREDENTIALS_DIRECTORY, then beside the configuration."""
    window: Annotated[int, Meta(ge=1, le=65535)] = 1000
    """Unacknowledged messages the broker may hand over (MQTT 5's Receive Maximum; on 3.1.1 it has its own limit)."""
    qos: Literal[0, 1] = 1
    """1: what arrives is acknowledged once it is safe."""
    coalesce: Coalesce = Duration(0.005)
    """How long messages that come thick and fast gather in the socket before they are read."""
    device: Text | None = None
    time_field: Text | None = None
    time_unit: TimeUnit = "s"
    time_zone: Text | None = None
    device_field: Text | None = None
    columns: list[Text] | None = None
    """Of lines of values; by default what the profile says. Empty: c0, c1, ..."""
    column_units: dict[str, Text] | None = None
    separator: Text | None = None
    """`tab` and `space` by their names."""
    max_payload: Payload = Size(256 * 1024)
    """A larger message is refused, and counted."""
    keepalive: Keepalive = Duration(30.0)
    """A sixth of it in silence and the broker is asked for a sign of life; a third, and the connection is given up."""
    session_expiry: Expiry = Duration(7 * 86400.0)
    """How long the broker keeps our session, and so what it queued, while we are away."""
    backoff: BackoffRange = BackoffRange()


class ReplaySource(Section, frozen=True, kw_only=True, tag="replay"):
    path: Path
    """A capture that `run --record` has written."""
    profile: Text
    speed: Annotated[float, Meta(ge=0, le=1_000_000)] = 1.0
    """2 plays twice as fast, 0 as fast as it goes."""
    topics: Annotated[list[Text], Meta(min_length=1)] = msgspec.field(default_factory=lambda: ["#"])
    """Of recorded messages: the filters whose wildcards name the device."""
    device: Text | None = None
    time_field: Text | None = None
    time_unit: TimeUnit = "s"
    time_zone: Text | None = None
    device_field: Text | None = None
    columns: list[Text] | None = None
    column_units: dict[str, Text] | None = None
    separator: Text | None = None
    backoff: BackoffRange = BackoffRange()


class HostSource(Section, frozen=True, kw_only=True, tag="host"):
    interval: Pause = Duration(30.0)
    """How often the figures are read."""
    device: Text | None = None


class MqttSink(Tls, frozen=True, kw_only=True, tag="mqtt"):
    url: Text | None = None
    urls: Annotated[list[Text], Meta(min_length=1)] | None = None
    """Instead of url: several."""
    protocol: MqttVersion = "auto"
    format: Literal["reading", "batch"] = "reading"
    """A message per reading, or a compressed one per segment."""
    topic: Text | None = None
    """By default edge/{collector}/{device}/readings, for batches edge/{collector}/readings."""
    discovery_prefix: Text | None = None
    """Where Home Assistant is told of every device, `homeassistant` unless changed there; by default it is not told."""
    expire_after: Silence | None = None
    """Silence after which Home Assistant shows a value as unavailable; by default three of the device's intervals."""
    username: Text | None = None
    password_file: Text | None = None
    keepalive: Keepalive = Duration(30.0)
    backoff: BackoffRange = BackoffRange()

    @property
    def topic_template(self) -> str:
        if self.topic is not None:
            return self.topic
        return "edge/{collector}/readings" if self.format == "batch" else "edge/{collector}/{device}/readings"


class HttpSink(Tls, frozen=True, kw_only=True, tag="http"):
    url: Text | None = None
    urls: Annotated[list[Text], Meta(min_length=1)] | None = None
    token_file: Text | None = None
    """Sent as `Authorization: Bearer ...`."""
    header: Text | None = None
    """The name of a header that takes what header_file holds."""
    header_file: Text | None = None
    """The file that holds the value of header."""
    proxy: Text | None = None
    """The way there: http://HOST:PORT."""
    timeout: Patience = Duration(30.0)
    """For the whole of one request."""
    backoff: BackoffRange = BackoffRange()


class FileSink(Section, frozen=True, kw_only=True, tag="file"):
    path: Path
    """The file; a JSON line per reading."""
    max_bytes: FileSize = Size(64 * 1024 * 1024)
    """A file this large is put aside as PATH.1, and a new one begins."""
    max_age: FileAge | None = None
    """The same by age."""
    keep: Annotated[int, Meta(ge=1, le=1000)] = 5
    """Full files beside the one that is written; rotation deletes the oldest."""
    backoff: BackoffRange = BackoffRange()


class StatusSection(Section, frozen=True, kw_only=True):
    listen: Text | None = "127.0.0.1:8080"
    """Where status and metrics are served: HOST:PORT, or unix:PATH."""
    token_file: Text | None = None
    """The bearer token that whoever asks must send; needed where other machines can reach us."""


class LogSection(Section, frozen=True, kw_only=True):
    format: Literal["auto", "json", "gelf"] = "auto"
    """auto: the journal's fields under systemd, text on a terminal, else JSON."""
    level: Literal["debug", "info", "warning", "error"] = "info"
    """What is less is not logged."""


class SandboxSection(Section, frozen=True, kw_only=True):
    mode: Literal["enforce", "log", "off"] = "enforce"
    """enforce: what is not needed fails; log: it is only logged; off: nothing is forbidden."""


Source = SerialSource | ModbusSource | MqttSource | HostSource | ReplaySource
Sink = MqttSink | HttpSink | FileSink


class Configuration(Section, frozen=True, kw_only=True):
    collector: CollectorSection = msgspec.field(default_factory=CollectorSection)
    spool: SpoolSection = SpoolSection()
    sources: dict[Name, Source] = {}
    sinks: dict[Name, Sink] = {}
    status: StatusSection = StatusSection()
    log: LogSection = LogSection()
    sandbox: SandboxSection = SandboxSection()


class NotBuilt(NamedTuple):
    """A key that is accepted with one warning until its part is built."""

    key: str
    """`*` stands for one name."""
    concerns: Callable[[Any], bool]
    meanwhile: str


NOT_BUILT_KEYS = (
    NotBuilt("log.format", lambda value: value == "gelf", '"json" is in force'),
    NotBuilt("sinks.*.urls", lambda value: isinstance(value, list) and len(value) > 1, "only the first is used"),
)

NOT_BUILT_TYPES: dict[str, tuple[str, ...]] = {
    "sources": (),
    "sinks": ("influxdb", "nats"),
}
"""By table. A type is an error, not a warning: a source that stays silent would look like a working one."""
