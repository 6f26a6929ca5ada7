"""The machine the collector runs on. Every figure comes from /proc, /sys or statvfs in microseconds."""

import asyncio
import os
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import psutil

from collector.contracts import Intake
from collector.reading import Decoded

Fields = dict[str, Any]

_UNITS = {"percent": "%", "bytes": "B", "celsius": "degC"}


def units(fields: Iterable[str]) -> dict[str, str]:
    """The unit of each field that has one; the last word of its name says which."""
    by_suffix = {field: field.rpartition("_")[2] for field in fields}
    return {field: _UNITS[suffix] for field, suffix in by_suffix.items() if suffix in _UNITS}


class HostSource:
    """One reading at once, then one every `interval` seconds, counted from the first: nothing drifts."""

    window = 0

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._paused = False

    async def run(self, intake: Intake) -> None:
        """Never lost: ends by cancellation only."""
        loop = asyncio.get_running_loop()
        intake.connected()
        fields = measure(_FIGURES_AT_ONCE)
        psutil.cpu_percent()
        due = loop.time()
        while True:
            if fields and not self._paused:
                intake.readings([Decoded(None, fields)])
            missed = max(0.0, loop.time() - due) // self._interval
            due += (missed + 1) * self._interval
            await asyncio.sleep(due - loop.time())
            fields = measure(_FIGURES)

    def acknowledge(self, tokens: Sequence[int]) -> None:
        pass

    def pause(self, paused: bool) -> None:
        self._paused = paused


def measure(figures: Iterable[Callable[[], Fields]]) -> Fields:
    """What the kernel does not tell on this machine, for whatever reason, is left out."""
    fields: Fields = {}
    for figure in figures:
        try:
            fields |= figure()
        except Exception:  # psutil lets anything through: KeyError and ValueError on an odd /proc, too
            continue
    return fields


def _cpu() -> Fields:
    """Busy share since the call before."""
    return {"cpu_percent": psutil.cpu_percent()}


def _memory() -> Fields:
    memory = psutil.virtual_memory()
    return {
        "memory_used_bytes": memory.used,
        "memory_available_bytes": memory.available,
        "memory_percent": memory.percent,
    }


def _swap() -> Fields:
    swap = psutil.swap_memory()
    return {"swap_used_bytes": swap.used, "swap_percent": swap.percent}


def _disk() -> Fields:
    disk = psutil.disk_usage("/")
    return {"disk_used_bytes": disk.used, "disk_free_bytes": disk.free, "disk_percent": disk.percent}


def _load() -> Fields:
    one, five, fifteen = os.getloadavg()
    return {"load_1m": one, "load_5m": five, "load_15m": fifteen}


def _network() -> Fields:
    """All interfaces but the loopback, since boot."""
    interfaces = {n: c for n, c in psutil.net_io_counters(pernic=True).items() if n != "lo"}
    return {
        "network_received_bytes": sum(counters.bytes_recv for counters in interfaces.values()),
        "network_sent_bytes": sum(counters.bytes_sent for counters in interfaces.values()),
    }


def _temperatures() -> Fields:
    """`temperature_<chip>[_<label>]_celsius`; a second sensor of the same name gets a number."""
    fields: Fields = {}
    for chip, sensors in psutil.sensors_temperatures().items():
        for sensor in sensors:
            words = re.findall("[a-z0-9]+", f"{chip} {sensor.label}".lower())
            name = base = "_".join(["temperature", *words])
            number = 1
            while f"{name}_celsius" in fields:
                number += 1
                name = f"{base}_{number}"
            fields[f"{name}_celsius"] = sensor.current
    return fields


_FIGURES_AT_ONCE = (_memory, _swap, _disk, _load, _network, _temperatures)
"""All but the CPU, which needs two looks."""

_FIGURES = (_cpu, *_FIGURES_AT_ONCE)
