"""What the scenarios brought, as values that can be kept in a file and drawn again."""

from pathlib import Path
from statistics import median

import msgspec

from tests.bench.scenarios import Fault, Flash, Idle, Online, Outage


class Row(msgspec.Struct):
    """One peer. What was not measured is None, or empty."""

    name: str
    why: str = ""
    """Why nothing, or not all of it, was measured."""
    remark: str = ""
    online: list[Online] = []
    idle: Idle | None = None
    outage: Outage | None = None
    killed: Fault | None = None
    flash: Flash | None = None

    @property
    def messages(self) -> int:
        """That went through online, all runs together."""
        return sum(run.messages for run in self.online)

    @property
    def per_cpu_second(self) -> float | None:
        return median(run.per_cpu_second for run in self.online) if self.online else None

    @property
    def per_second(self) -> float | None:
        return median(run.per_second for run in self.online) if self.online else None

    @property
    def uplink_bytes(self) -> float | None:
        return median(run.uplink_bytes for run in self.online) if self.online else None

    @property
    def rss_idle(self) -> float | None:
        return median(run.rss_idle for run in self.online) if self.online else None

    @property
    def rss_peak(self) -> float | None:
        return median(run.rss_peak for run in self.online) if self.online else None


class Ceiling(msgspec.Struct, frozen=True):
    """What the bench itself can do with nobody in between, messages a second."""

    generator: float
    generator_cpu: float
    """Messages a CPU-second of the generator's own."""
    counter: float
    counter_cpu: float


class Results(msgspec.Struct):
    date: str
    machine: str
    ceiling: Ceiling
    rows: list[Row]

    def save(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(msgspec.json.format(msgspec.json.encode(self), indent=1))


def load(path: Path) -> Results:
    return msgspec.json.decode(path.read_bytes(), type=Results)
