"""CPU the spool itself takes for a reading, whatever waits in it already."""

import time
from pathlib import Path
from statistics import median

from tests.bench.spool.backlog import fill
from tests.bench.spool.disk import Disk
from tests.bench.spool.process import apart
from tests.bench.spool.table import Line, show
from tests.bench.spool.workload import RATE, SECTION, Workload
from tests.spool.rig import Rig

PENDING = (10_000, 100_000, 1_000_000, 10_000_000)

PER_SEGMENT = 100

SECONDS = 600

DRAIN_RATE = 5000

FLAT = 1.3


def measure(disk: Disk, repeats: int) -> None:
    for pending in PENDING:
        directory = disk.directory / f"cost-{pending}"
        directory.mkdir()
        apart(fill, directory, pending, PER_SEGMENT)
    found: dict[int, list[tuple[float, float]]] = {pending: [] for pending in PENDING}
    # In turns, so that what else the machine does falls on all alike.
    for _ in range(repeats):
        for pending, costs in found.items():
            directory = disk.directory / f"cost-{pending}"
            # Each in a process of its own: what was just appended is in nobody's cache when it is drained.
            costs.append((apart(_append, directory), apart(_drain, directory)))
    for at, what in enumerate(("append", "drain")):
        against_least: list[float] = []
        for pending, costs in found.items():
            show(Line(f"CPU a reading, {what}, {pending:,} pending", median(cost[at] for cost in costs), "us"))
            rounds = zip(costs, found[PENDING[0]], strict=True)
            against_least.append(median(cost[at] / least[at] for cost, least in rounds))
        flat = max(against_least) / min(against_least)
        show(Line(f"CPU a reading, {what}: dearest to cheapest, of ratios within a round", flat, "x", FLAT))


async def _append(directory: Path) -> float:
    """Microseconds a reading, commits included."""
    rig = Rig(directory, section=SECTION)
    await rig.open(ready=False)
    began = time.process_time()
    count = await Workload(rig).store(SECONDS)
    seconds = time.process_time() - began
    await rig.spool.close()
    return seconds / count * 1e6


async def _drain(directory: Path) -> float:
    """Microseconds a reading; as much waits afterwards as before the last `_append`."""
    rig = Rig(directory, section=SECTION)
    await rig.open()
    began = time.process_time()
    count = await Workload(rig).drain(SECONDS * RATE, rate=DRAIN_RATE)
    seconds = time.process_time() - began
    await rig.spool.close()
    return seconds / count * 1e6
