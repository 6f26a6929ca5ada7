"""CPU the spool itself takes for a reading, whatever waits in it already."""

import time
from pathlib import Path
from statistics import median

from tests.bench.spool.backlog import fill
from tests.bench.spool.disk import Disk
from tests.bench.spool.process import apart
from tests.bench.spool.table import Line, show
from tests.bench.spool.workload import SECTION, Workload
from tests.spool.rig import Rig

PENDING = (10_000, 100_000, 1_000_000, 10_000_000)

PER_SEGMENT = 100

SECONDS = 300

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
            costs.append(apart(_append_and_drain, disk.directory / f"cost-{pending}"))
    for at, what in enumerate(("append", "drain")):
        against_least: list[float] = []
        for pending, costs in found.items():
            show(Line(f"CPU a reading, {what}, {pending:,} pending", median(cost[at] for cost in costs), "us"))
            rounds = zip(costs, found[PENDING[0]], strict=True)
            against_least.append(median(cost[at] / least[at] for cost, least in rounds))
        flat = max(against_least) / min(against_least)
        show(Line(f"CPU a reading, {what}: dearest to cheapest, of ratios within a round", flat, "x", FLAT))


async def _append_and_drain(directory: Path) -> tuple[float, float]:
    """Microseconds a reading of each; as much waits afterwards as before."""
    rig = Rig(directory, section=SECTION)
    await rig.open(ready=False)
    workload = Workload(rig)
    began = time.process_time()
    count = await workload.store(SECONDS)
    stored = time.process_time()
    rig.spool.ready("cloud", True)
    drained = await workload.drain(count, rate=DRAIN_RATE)
    ended = time.process_time()
    await rig.spool.close()
    return (stored - began) / count * 1e6, (ended - stored) / drained * 1e6
