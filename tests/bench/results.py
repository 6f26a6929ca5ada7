"""What the scenarios brought, as values that can be kept in a file and drawn again."""

from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

import msgspec

from tests.bench.scenarios import Fault, Flash, Idle, Latency, Online, Outage


class Row(msgspec.Struct):
    """One peer, with its runs. What was not measured is empty."""

    name: str
    why: str = ""
    """Why nothing, or not all of it, was measured."""
    remark: str = ""
    online: list[Online] = []
    idle: list[Idle] = []
    latency: list[Latency] = []
    outage: list[Outage] = []
    killed: list[Fault] = []
    flash: list[Flash] = []

    @property
    def messages(self) -> int:
        """That went through online, all runs together."""
        return sum(run.messages for run in self.online)


class Spread(NamedTuple):
    median: float
    least: float
    most: float


class Measure(NamedTuple):
    title: str
    unit: str
    values: Callable[[Row], list[float]]
    """One a run."""
    digits: int = 0
    more_is_better: bool = False

    def spread(self, row: Row) -> Spread | None:
        values = self.values(row)
        return Spread(median(values), min(values), max(values)) if values else None


THROUGHPUT = Measure(
    "throughput", "readings a CPU-second", lambda row: [run.per_cpu_second for run in row.online], more_is_better=True
)
RATE = Measure("rate", "readings a second", lambda row: [run.per_second for run in row.online], more_is_better=True)
P50 = Measure("p50 at 1,000/s", "ms", lambda row: [run.p50 * 1000 for run in row.latency], 1)
P99 = Measure("p99 at 1,000/s", "ms", lambda row: [run.p99 * 1000 for run in row.latency], 1)
CORE = Measure("CPU at 100/s", "% of a core", lambda row: [run.core * 100 for run in row.idle], 2)
RSS_IDLE = Measure("RSS idle", "MB", lambda row: [run.rss_idle for run in row.online])
RSS_ONLINE = Measure("RSS online", "MB", lambda row: [run.rss_peak for run in row.online])
RSS_FULL = Measure("RSS full", "MB", lambda row: [run.rss_full for run in row.outage])
UPLINK = Measure("uplink, full load", "B a reading", lambda row: [run.uplink_bytes for run in row.online], 1)
UPLINK_IDLE = Measure("uplink at 100/s", "B a reading", lambda row: [run.uplink_bytes for run in row.idle], 1)
FLASH_ONLINE = Measure("flash, online", "B a reading", lambda row: [run.flash_bytes for run in row.idle])
FLASH_STORED = Measure("flash, stored", "B a reading", lambda row: [run.store for run in row.flash])
FLASH_DRAINED = Measure("flash, drained", "B a reading", lambda row: [run.drain for run in row.flash])
STORE_CPU = Measure("CPU to store", "us a reading", lambda row: [run.store_cpu * 1e6 for run in row.outage], 1)
DRAIN_CPU = Measure("CPU to drain", "us a reading", lambda row: [run.drain_cpu * 1e6 for run in row.outage], 1)

MEASURES = (
    *(THROUGHPUT, RATE, P50, P99, CORE, RSS_IDLE, RSS_ONLINE, RSS_FULL, UPLINK, UPLINK_IDLE),
    *(FLASH_ONLINE, FLASH_STORED, FLASH_DRAINED, STORE_CPU, DRAIN_CPU),
)


class Ceiling(msgspec.Struct, frozen=True):
    """What the bench itself can do with nobody in between, messages a second."""

    generator: float
    generator_cpu: float
    """Messages a CPU-second of the generator's own."""
    counter: float
    counter_cpu: float
    p50: float
    p99: float
    """Seconds through one broker alone, at the rate of the latency scenario."""


class Results(msgspec.Struct):
    date: str
    machine: str
    ceiling: Ceiling
    rows: list[Row]

    def save(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(msgspec.json.format(msgspec.json.encode(self), indent=1))


def worst(runs: Sequence[Fault]) -> Fault | None:
    """The most that was lost, came twice and came again in any run."""
    if not runs:
        return None
    return Fault(
        messages=runs[0].messages,
        lost=max(run.lost for run in runs),
        twice=max(run.twice for run in runs),
        repeated=max(run.repeated for run in runs),
    )


def load(path: Path) -> Results:
    return msgspec.json.decode(path.read_bytes(), type=Results)
