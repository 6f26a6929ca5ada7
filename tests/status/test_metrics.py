from collections.abc import Callable

import psutil
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from collector.status.metrics import ReportCollector
from collector.status.report import Check, Report
from tests.status.reports import busy_report

TYPES = {
    "readings_received": "counter",
    "readings_delivered": "counter",
    "messages_received": "counter",
    "readings_dropped": "counter",
    "readings_dead": "counter",
    "frames_invalid": "counter",
    "sink_attempts": "counter",
    "process_cpu_seconds": "counter",
    "flash_written_bytes": "counter",
    "spool_pending_readings": "gauge",
    "spool_bytes": "gauge",
    "spool_limit_bytes": "gauge",
    "spool_oldest_age_seconds": "gauge",
    "source_connected": "gauge",
    "device_answering": "gauge",
    "sink_connected": "gauge",
    "sink_backoff_seconds": "gauge",
    "clock_synchronised": "gauge",
    "clock_steps": "counter",
    "heartbeat_timestamp_seconds": "gauge",
    "build_info": "gauge",
    "process_resident_memory_bytes": "gauge",
    "process_threads": "gauge",
    "process_open_fds": "gauge",
    "spool_commit_seconds": "histogram",
}
PREFIX = "edge_collector_"

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def registry_for(report: Callable[[], Report]) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(ReportCollector(report))
    return registry


def scrape(registry: CollectorRegistry) -> tuple[dict[str, str], Samples]:
    families = list(text_string_to_metric_families(generate_latest(registry).decode()))
    types = {family.name: family.type for family in families}
    samples = {
        (sample.name.removeprefix(PREFIX), frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }
    return types, samples


def labels(**values: str) -> frozenset[tuple[str, str]]:
    return frozenset(values.items())


def test_names_and_types() -> None:
    types, samples = scrape(registry_for(busy_report))
    assert types == {PREFIX + name: kind for name, kind in TYPES.items()}
    for name, _ in samples:
        if TYPES.get(name.removesuffix("_total")) == "counter":
            assert name.endswith("_total")


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("readings_received_total", {"source": "air"}, 1000),
        ("readings_delivered_total", {"sink": "cloud"}, 950),
        ("messages_received_total", {"source": "zigbee", "qos": "1"}, 995),
        ("readings_dropped_total", {"sink": "cloud", "reason": "full"}, 8),
        ("readings_dead_total", {"sink": "cloud"}, 2),
        ("frames_invalid_total", {"source": "air", "reason": "checksum"}, 3),
        ("spool_pending_readings", {"sink": "backup"}, 42),
        ("spool_bytes", {}, 3 * 1024 * 1024),
        ("spool_limit_bytes", {}, 256 * 1024 * 1024),
        ("spool_oldest_age_seconds", {}, 75),
        ("spool_commit_seconds_bucket", {"le": "0.01"}, 7),
        ("spool_commit_seconds_bucket", {"le": "+Inf"}, 9),
        ("spool_commit_seconds_count", {}, 9),
        ("spool_commit_seconds_sum", {}, 0.25),
        ("source_connected", {"source": "air"}, 0),
        ("source_connected", {"source": "zigbee"}, 1),
        ("sink_connected", {"sink": "cloud"}, 1),
        ("sink_attempts_total", {"sink": "cloud", "outcome": "retry"}, 1),
        ("sink_backoff_seconds", {"sink": "backup"}, 2.5),
        ("clock_synchronised", {}, 1),
        ("flash_written_bytes_total", {}, 5 * 1024 * 1024),
        ("clock_steps_total", {}, 1),
    ],
)
def test_values_are_the_reports(name: str, values: dict[str, str], expected: float) -> None:
    _, samples = scrape(registry_for(busy_report))
    assert samples[name, labels(**values)] == expected


def test_the_process_itself() -> None:
    _, samples = scrape(registry_for(busy_report))
    assert samples["process_resident_memory_bytes", labels()] > 1_000_000
    assert samples["process_threads", labels()] >= 1
    assert samples["process_open_fds", labels()] > 2
    assert samples["process_cpu_seconds_total", labels()] > 0


def test_what_the_kernel_withholds_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: psutil.Process) -> None:
        raise psutil.AccessDenied(1)

    monkeypatch.setattr(psutil.Process, "num_fds", refuse)
    _, samples = scrape(registry_for(busy_report))
    assert ("process_open_fds", labels()) not in samples
    assert ("process_threads", labels()) in samples


def test_what_the_kernel_does_not_tell_of_flash_is_left_out() -> None:
    report = busy_report()
    report.flash = None
    _, samples = scrape(registry_for(lambda: report))
    assert ("flash_written_bytes_total", labels()) not in samples
    assert ("spool_bytes", labels()) in samples


def test_the_heartbeat_stops_with_life() -> None:
    report = busy_report()
    registry = registry_for(lambda: report)
    _, first = scrape(registry)
    report.alive.append(Check("disk thread", ok=False))
    _, second = scrape(registry)
    heartbeat = ("heartbeat_timestamp_seconds", labels())
    assert first[heartbeat] > 1_600_000_000
    assert second[heartbeat] == first[heartbeat]


def test_one_family_can_be_asked_for() -> None:
    restricted = registry_for(busy_report).restricted_registry(["edge_collector_spool_bytes"])
    assert [family.name for family in restricted.collect()] == ["edge_collector_spool_bytes"]


def test_registering_asks_for_no_report() -> None:
    asked = 0

    def report() -> Report:
        nonlocal asked
        asked += 1
        return busy_report()

    registry = registry_for(report)
    assert asked == 0
    generate_latest(registry)
    assert asked == 1
