import asyncio
import time
from typing import Any

import psutil
import pytest

from collector.reading import Decoded
from collector.sources import host
from collector.sources.host import HostSource, measure, units
from tests.sources.intake import RecordingIntake, until


async def collect(source: HostSource, readings: int) -> tuple[RecordingIntake, list[float]]:
    times: list[float] = []

    class TimedIntake(RecordingIntake):
        def readings(self, decoded: list[Decoded]) -> None:
            super().readings(decoded)
            times.append(time.monotonic())

    intake = TimedIntake()
    task = asyncio.create_task(source.run(intake))
    await until(lambda: len(intake.taken) >= readings)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    return intake, times


async def test_the_first_reading_comes_at_once() -> None:
    intake, _ = await collect(HostSource(interval=3600), 1)
    assert intake.connections == 1
    [decoded] = intake.taken
    fields = decoded.fields
    assert (decoded.device, decoded.time_ns, decoded.suspect) == (None, None, None)
    assert fields["memory_used_bytes"] > 0
    assert fields["disk_free_bytes"] > 0
    assert {"memory_percent", "swap_percent", "load_1m", "network_received_bytes"} <= fields.keys()


async def test_the_cpu_needs_two_looks() -> None:
    intake, _ = await collect(HostSource(interval=0.02), 2)
    assert "cpu_percent" not in intake.taken[0].fields
    assert 0 <= intake.taken[1].fields["cpu_percent"] <= 100


async def test_measuring_takes_nothing_off_the_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    def slow() -> dict[str, Any]:
        time.sleep(0.03)
        return {"figure": 1}

    monkeypatch.setattr(host, "_FIGURES", (slow,))
    _, times = await collect(HostSource(interval=0.05), 8)
    assert times[-1] - times[1] == pytest.approx(6 * 0.05, abs=0.12)


async def test_missed_beats_are_skipped_not_made_up_for(monkeypatch: pytest.MonkeyPatch) -> None:
    delays = iter([0.13])

    def stuck_once() -> dict[str, Any]:
        time.sleep(next(delays, 0))
        return {"figure": 1}

    monkeypatch.setattr(host, "_FIGURES", (stuck_once,))
    _, times = await collect(HostSource(interval=0.05), 4)
    assert times[3] - times[2] > 0.03


async def test_paused_it_skips() -> None:
    source, intake = HostSource(interval=0.01), RecordingIntake()
    source.pause(True)
    task = asyncio.create_task(source.run(intake))
    await asyncio.sleep(0.05)
    assert intake.taken == []
    source.pause(False)
    await until(lambda: intake.taken)
    task.cancel()


def test_a_failing_figure_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise NotImplementedError("no swap here")

    monkeypatch.setattr(psutil, "swap_memory", fail)
    fields = measure(host._FIGURES)
    assert "swap_percent" not in fields
    assert "memory_percent" in fields


def test_the_loopback_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    class Counters:
        bytes_recv = 10
        bytes_sent = 3

    monkeypatch.setattr(psutil, "net_io_counters", lambda pernic: dict.fromkeys(["lo", "eth0", "wlan0"], Counters))
    assert host._network() == {"network_received_bytes": 20, "network_sent_bytes": 6}


def test_every_temperature_has_a_name_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    class Sensor:
        def __init__(self, label: str, current: float) -> None:
            self.label, self.current = label, current

    chips = {"cpu_thermal": [Sensor("", 48.3)], "nvme": [Sensor("Composite", 30.0), Sensor("Composite", 31.0)]}
    monkeypatch.setattr(psutil, "sensors_temperatures", lambda: chips, raising=False)
    assert host._temperatures() == {
        "temperature_cpu_thermal_celsius": 48.3,
        "temperature_nvme_composite_celsius": 30.0,
        "temperature_nvme_composite_2_celsius": 31.0,
    }


def test_units_are_ascii() -> None:
    fields = ["cpu_percent", "memory_used_bytes", "temperature_cpu_thermal_celsius", "load_1m"]
    assert units(fields) == {
        "cpu_percent": "%",
        "memory_used_bytes": "B",
        "temperature_cpu_thermal_celsius": "degC",
    }


def test_one_reading_is_quick() -> None:
    measure(host._FIGURES)
    began = time.perf_counter()
    measure(host._FIGURES)
    assert time.perf_counter() - began < 0.05
