"""Bytes written for each reading: stored while the uplink is down, drained, and passed on online."""

from collector.flash import written_bytes
from tests.bench.spool.daemon import Collector
from tests.bench.spool.disk import Disk
from tests.bench.spool.process import apart
from tests.bench.spool.table import Line, show
from tests.bench.spool.workload import RATE, SECTION, Workload, noise
from tests.spool.rig import Rig

STORE_TARGET, DRAIN_TARGET = 220, 110

SLOW, FAST = 500, 5000
"""Readings a second that an uplink drains."""


def measure(disk: Disk, seconds: int, daemon_seconds: int) -> None:
    for values, rate in (("measured", FAST), ("random", FAST), ("measured", SLOW)):
        stored, drained = apart(_store_and_drain, disk, seconds, rate, values)
        if rate == FAST:
            # Storing is the same at every rate of draining.
            _show(f"flash a reading, {values} values stored at {RATE}/s", stored, STORE_TARGET)
        _show(f"flash a reading, {values} values drained at {rate}/s", drained, DRAIN_TARGET)
    _daemon(disk, daemon_seconds)


def _show(what: str, cost: tuple[float, float | None], target: int) -> None:
    show(Line(f"{what}: by the process", cost[0], "B", target))
    show(Line(f"{what}: by the device, ext4's journal too", cost[1], "B"))


async def _store_and_drain(
    disk: Disk, seconds: int, rate: int, values: str
) -> tuple[tuple[float, float | None], tuple[float, float | None]]:
    """The real spool with a clock turned by hand; what closing it writes counts as draining."""
    rig = Rig(disk.directory / f"flash-{values}-{rate}", section=SECTION)
    rig.directory.mkdir()
    await rig.open(ready=False)
    workload, account = Workload(rig, noise() if values == "random" else None), _Account(disk)
    count = await workload.store(seconds)
    stored = account.a_reading(count)
    rig.spool.ready("cloud", True)
    await workload.drain(count, rate=rate)
    await rig.spool.close()
    return stored, account.a_reading(count)


class _Account:
    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._process, self._device = self._look()

    def a_reading(self, count: int) -> tuple[float, float | None]:
        """What each of so many cost since the last look, by this process and by the device."""
        before, self._process, self._device = (self._process, self._device), *self._look()
        device = None if before[1] is None or self._device is None else (self._device - before[1]) / count
        return (self._process - before[0]) / count, device

    def _look(self) -> tuple[int, int | None]:
        device = self._disk.written()
        return written_bytes() or 0, device


def _daemon(disk: Disk, seconds: int) -> None:
    """The real daemon between two brokers, in real time."""
    count = RATE * seconds
    with Collector(disk.directory / "online") as online:
        online.cloud_up()
        before = online.written()
        online.publish(range(count), rate=RATE)
        online.wait_drained(count)
        show(
            Line(f"flash a reading, daemon online, {count:,} at {RATE}/s", (online.written() - before) / count, "B", 0)
        )
    with Collector(disk.directory / "offline") as offline:
        before = offline.written()
        offline.publish(range(count), rate=RATE)
        offline.wait_pending(count)
        stored = offline.written()
        show(
            Line(f"flash a reading, daemon storing {count:,} at {RATE}/s", (stored - before) / count, "B", STORE_TARGET)
        )
        offline.cloud_up()
        offline.wait_drained(count)
        drained = (offline.stop() - stored) / count
        show(Line("flash a reading, daemon draining them, then stopping", drained, "B", DRAIN_TARGET))
