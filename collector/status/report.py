"""The figures that `/status`, `/metrics` and `/readyz` show, as one value the wiring fills on request."""

from typing import Any

import msgspec

NOT_CONFIGURED = "not configured any more"
"""The state of a sink that left the configuration while something was kept for it."""


class Ledger(msgspec.Struct):
    """The books of one sink since it joined: received = delivered + pending + dropped + dead."""

    received: int = 0
    delivered: int = 0
    pending: int = 0
    dropped: dict[str, int] = {}
    """Readings by reason."""
    dead: int = 0

    @property
    def remainder(self) -> int:
        """Anything but 0 is a bug."""
        return self.received - self.delivered - self.pending - sum(self.dropped.values()) - self.dead


class Latest(msgspec.Struct):
    """The last reading of a source."""

    device: str
    time: str
    fields: dict[str, Any]


class SourceReport(msgspec.Struct):
    type: str
    state: str
    """connecting | connected | waiting (for the next attempt) | stopped"""
    connected: bool = False
    attempted: bool = False
    """The first attempt has ended, one way or the other."""
    readings: int = 0
    """Readings that were given a seq, over all runs."""
    messages: dict[int, int] = {}
    """MQTT messages of this run by QoS."""
    invalid: dict[str, int] = {}
    """Refused frames of this run by reason."""
    ignored: int = 0
    """Messages of this run that the profile knows to be no readings."""
    unacknowledged: int = 0
    devices: dict[str, str | None] = {}
    """Devices that are asked, or do not speak as they should: what is wrong with each, null when nothing is."""
    latest: Latest | None = None
    last_error: str | None = None


class SinkReport(msgspec.Struct):
    type: str
    state: str
    """connecting | connected | waiting | held | stopped, or `NOT_CONFIGURED`"""
    ledger: Ledger
    connected: bool = False
    refused: int = 0
    """Readings refused for good since it joined, also those that were sent again or dropped since."""
    attempts: dict[str, int] = {}
    """Deliveries and connection attempts of this run by outcome."""
    backoff_seconds: float = 0.0
    last_error: str | None = None
    note: str = ""
    """What the operator should know of the far end; empty when there is nothing."""


class Histogram(msgspec.Struct):
    """Seconds; `buckets` maps an upper bound to the number of observations not above it (cumulative)."""

    buckets: dict[float, int] = {}
    count: int = 0
    sum: float = 0.0


class SpoolReport(msgspec.Struct):
    pending_readings: int = 0
    """Readings that at least one sink still wants."""
    bytes: int = 0
    """Pages in use in the database, in bytes."""
    limit_bytes: int = 0
    oldest_age_seconds: float = 0.0
    commits: int = 0
    commit_seconds: Histogram = msgspec.field(default_factory=Histogram)
    journal: str = ""
    """Where the tail journal lies; says so when that is not a tmpfs."""


class FlashReport(msgspec.Struct):
    """What this run has written to disk, whatever the file; a tmpfs does not count."""

    written_bytes: int
    bytes_per_reading: float | None = None
    """None until a reading has come."""
    bytes_per_day: float | None = None
    """At the rate of this run; None while it is too young to tell."""


class ClockReport(msgspec.Struct):
    synchronised: bool = False
    steps: int = 0
    """How often the wall clock jumped in this run."""
    wait_seconds: float = 0.0
    """How long delivery still waits for the clock, at most; 0 when it does not."""


class SandboxReport(msgspec.Struct):
    stands: str
    """The mode and the walls that are up."""
    lacks: list[str] = []
    """What should stand and does not, each with what to do."""


class Check(msgspec.Struct):
    """One line of `/readyz?verbose`."""

    name: str
    ok: bool
    detail: str = ""


class Report(msgspec.Struct):
    collector: str
    version: str
    epoch: str
    started: str
    """RFC 3339, UTC."""
    uptime_seconds: float
    clock: ClockReport
    spool: SpoolReport
    flash: FlashReport | None = None
    """None where the kernel does not tell."""
    sandbox: SandboxReport | None = None
    """None of a collector that has none."""
    sources: dict[str, SourceReport] = {}
    sinks: dict[str, SinkReport] = {}
    ready: list[Check] = []
    alive: list[Check] = []

    def to_json(self) -> bytes:
        """As `/status` shows it: each ledger with its remainder."""
        body = msgspec.to_builtins(self, str_keys=True)
        for name, sink in self.sinks.items():
            body["sinks"][name]["ledger"]["remainder"] = sink.ledger.remainder
        return msgspec.json.encode(body)
