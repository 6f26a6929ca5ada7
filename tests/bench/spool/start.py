"""Start, memory and rest of the daemon with millions of readings pending, after a SIGKILL."""

import os
import shutil
import signal
import time
from pathlib import Path
from statistics import median

from tests.bench.spool.backlog import fill
from tests.bench.spool.daemon import Collector
from tests.bench.spool.disk import Disk
from tests.bench.spool.process import apart, cpu_seconds, killed, peak, resident
from tests.bench.spool.table import Line, show
from tests.bench.spool.workload import RATE, SECTION, Workload
from tests.spool.rig import Rig

PENDING = 10_000_000

SEGMENTS = (100, 500)
"""Readings in each: a commit a second at 100 readings a second, and as many as a segment takes."""

WAL_SECONDS = 300
"""Of storing at 100 readings a second, before the kill: the WAL is nearly as long as it becomes."""

TAIL = 5000
"""Readings that only the tail journal holds when the process is killed."""

READY_TARGET, GROWTH_TARGET = 2.0, 20.0

SETTLED = 15
"""Seconds of readings after which memory is looked at."""


def measure(disk: Disk, repeats: int, idle_seconds: int) -> None:
    with Collector(disk.directory / "empty") as daemon:
        started = [_restarted(disk, daemon, disk.directory / "empty", cold=False) for _ in range(repeats)]
        show(Line("process start to ready after SIGKILL, nothing pending before", median(started), "s"))
        daemon.publish(range(RATE * SETTLED), rate=RATE)
        empty = resident(daemon.pid)
    show(Line("memory of the daemon, sink down, nothing pending before", empty / 2**20, "MiB"))
    for per_segment in SEGMENTS:
        _with_backlog(disk, per_segment, repeats, idle_seconds, empty)


def _with_backlog(disk: Disk, per_segment: int, repeats: int, idle_seconds: int, empty: int) -> None:
    """`empty`: bytes of memory of a daemon without one."""
    directory = disk.directory / f"start-{per_segment}"
    directory.mkdir()
    apart(fill, directory, PENDING, per_segment)
    print(f"With {PENDING:,} readings pending in segments of {per_segment}:")
    show(Line("size of the database", (directory / "spool.sqlite3").stat().st_size / 2**20, "MiB"))
    for files, cold in (("cached", False), ("not cached", True)):
        opened = [_reopened(disk, directory, cold) for _ in range(repeats)]
        show(Line(f"Spool.open after SIGKILL, files {files}", median(opened), "s", READY_TARGET))
    with Collector(directory) as daemon:
        for files, cold in (("cached", False), ("not cached", True)):
            started = [_restarted(disk, daemon, directory, cold) for _ in range(repeats)]
            show(Line(f"process start to ready after SIGKILL, files {files}", median(started), "s", READY_TARGET))
        daemon.publish(range(RATE * SETTLED), rate=RATE)
        show(Line("memory of the daemon more than empty", (resident(daemon.pid) - empty) / 2**20, "MiB", GROWTH_TARGET))
        time.sleep(SETTLED)
        cpu, written = cpu_seconds(daemon.pid), daemon.written()
        time.sleep(idle_seconds)
        cpu, written = cpu_seconds(daemon.pid) - cpu, daemon.written() - written
        show(Line("idle, sink down: CPU a minute", cpu * 60 / idle_seconds, "s"))
        show(Line("idle, sink down: written a minute", written * 60 / idle_seconds, "B"))
        daemon.cloud_up()
        time.sleep(SETTLED)
        show(Line("peak memory while it drains more than empty", (peak(daemon.pid) - empty) / 2**20, "MiB"))
    shutil.rmtree(directory)


def _reopened(disk: Disk, directory: Path, cold: bool) -> float:
    """Seconds; `cold`: the files must be read from the disk."""
    killed(_store_and_die, directory)
    if cold:
        disk.forget_cached(directory)
    return apart(_open, directory)


async def _store_and_die(directory: Path) -> None:
    rig = Rig(directory, section=SECTION)
    await rig.open(ready=False)
    workload = Workload(rig)
    await workload.store(WAL_SECONDS)
    workload.append(TAIL)
    rig.spool.flush()
    os.kill(os.getpid(), signal.SIGKILL)


async def _open(directory: Path) -> float:
    """Seconds."""
    rig = Rig(directory, section=SECTION)
    began = time.perf_counter()
    await rig.open(ready=False)
    seconds = time.perf_counter() - began
    assert rig.spool.tail.state.sinks["cloud"].pending >= PENDING
    await rig.spool.close()
    return seconds


def _restarted(disk: Disk, daemon: Collector, directory: Path, cold: bool) -> float:
    """Seconds until it was ready again after it was killed in the midst of storing."""
    daemon.publish(range(3 * RATE), rate=RATE)
    daemon.kill()
    if cold:
        disk.forget_cached(directory)
    return daemon.start()
