"""`/metrics`: Prometheus families, made from the Report at each scrape; no data path knows of them."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterable, Iterator

import psutil
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)

from collector import __version__
from collector.status.report import ClockReport, Histogram, Report, SinkReport, SourceReport, SpoolReport

Samples = Iterable[tuple[tuple[str, ...], float]]

_NOTHING = Report(
    collector="",
    version="",
    epoch="",
    started="",
    uptime_seconds=0.0,
    clock=ClockReport(),
    spool=SpoolReport(),
)


class ReportCollector:
    """A collector for a prometheus_client registry; asks `report` once a scrape."""

    def __init__(self, report: Callable[[], Report]) -> None:
        self._report = report
        self._process = psutil.Process()
        self._heartbeat = 0.0

    def collect(self) -> Iterator[Metric]:
        report = self._report()
        if all(check.ok for check in report.alive):
            self._heartbeat = time.time()
        return self._families(report)

    def describe(self) -> Iterator[Metric]:
        """The names alone, so that registering asks for no report and `?name[]=` finds its family."""
        return self._families(_NOTHING)

    def _families(self, report: Report) -> Iterator[Metric]:
        yield _build_info()
        yield _gauge("heartbeat_timestamp_seconds", "Unix time when all of /livez held.", self._heartbeat)
        yield _gauge("clock_synchronised", "1 when the kernel calls the clock good.", report.clock.synchronised)
        yield _counters("clock_steps", "Jumps of the wall clock.", [], [((), report.clock.steps)])
        yield from _source_families(report.sources)
        yield from _sink_families(report.sinks)
        yield from _spool_families(report.spool)
        yield _counters(
            "flash_written_bytes",
            "Bytes this process has caused to be written to disk.",
            [],
            [((), report.flash.written_bytes)] if report.flash is not None else [],
        )
        yield from _process_families(self._process)


def _source_families(sources: dict[str, SourceReport]) -> Iterator[Metric]:
    yield _counters(
        "readings_received",
        "Readings that were given a seq.",
        ["source"],
        (((name,), source.readings) for name, source in sources.items()),
    )
    yield _counters(
        "messages_received",
        "MQTT messages by QoS.",
        ["source", "qos"],
        (((n, str(qos)), count) for n, source in sources.items() for qos, count in source.messages.items()),
    )
    yield _counters(
        "frames_invalid",
        "Frames that were refused.",
        ["source", "reason"],
        (((n, reason), count) for n, source in sources.items() for reason, count in source.invalid.items()),
    )
    yield _gauges(
        "source_connected",
        "1 when open or subscribed.",
        ["source"],
        (((name,), source.connected) for name, source in sources.items()),
    )
    yield _gauges(
        "device_answering",
        "1 when a device that is asked has answered.",
        ["source", "device"],
        (((n, device), not what) for n, source in sources.items() for device, what in source.devices.items()),
    )


def _sink_families(sinks: dict[str, SinkReport]) -> Iterator[Metric]:
    yield _counters(
        "readings_delivered",
        "Readings the far end has taken.",
        ["sink"],
        (((name,), sink.ledger.delivered) for name, sink in sinks.items()),
    )
    yield _counters(
        "readings_dropped",
        "Readings given up by policy.",
        ["sink", "reason"],
        (((n, reason), count) for n, sink in sinks.items() for reason, count in sink.ledger.dropped.items()),
    )
    yield _counters(
        "readings_dead",
        "Readings the far end refused for good; they became dead letters.",
        ["sink"],
        (((name,), sink.refused) for name, sink in sinks.items()),
    )
    yield _gauges(
        "spool_pending_readings",
        "Readings the sink still has to deliver.",
        ["sink"],
        (((name,), sink.ledger.pending) for name, sink in sinks.items()),
    )
    yield _gauges(
        "sink_connected",
        "1 when connected.",
        ["sink"],
        (((name,), sink.connected) for name, sink in sinks.items()),
    )
    yield _counters(
        "sink_attempts",
        "Deliveries and connection attempts.",
        ["sink", "outcome"],
        (((n, outcome), count) for n, sink in sinks.items() for outcome, count in sink.attempts.items()),
    )
    yield _gauges(
        "sink_backoff_seconds",
        "The current wait before the next attempt.",
        ["sink"],
        (((name,), sink.backoff_seconds) for name, sink in sinks.items()),
    )


def _spool_families(spool: SpoolReport) -> Iterator[Metric]:
    yield _gauge("spool_bytes", "Pages in use in the database.", spool.bytes)
    yield _gauge("spool_limit_bytes", "spool.max_bytes.", spool.limit_bytes)
    yield _gauge("spool_oldest_age_seconds", "Age of the oldest pending reading.", spool.oldest_age_seconds)
    yield _histogram("spool_commit_seconds", "Time of one commit, fsync included.", spool.commit_seconds)


def _process_families(process: psutil.Process) -> Iterator[Metric]:
    """A figure the kernel withholds (ProtectProc, a sandbox) is left out."""
    with process.oneshot():
        with contextlib.suppress(psutil.Error, OSError):
            times = process.cpu_times()
            yield _counters("process_cpu_seconds", "User and system time.", [], [((), times.user + times.system)])
        with contextlib.suppress(psutil.Error, OSError):
            yield _gauge("process_resident_memory_bytes", "Resident memory.", process.memory_info().rss)
        with contextlib.suppress(psutil.Error, OSError):
            yield _gauge("process_threads", "Threads.", process.num_threads())
        with contextlib.suppress(psutil.Error, OSError):
            yield _gauge("process_open_fds", "Open file descriptors.", process.num_fds())


def _build_info() -> Metric:
    python = ".".join(map(str, sys.version_info[:3]))
    return InfoMetricFamily(
        "edge_collector_build", "What is running.", {"version": __version__, "python_version": python}
    )


def _counters(name: str, documentation: str, labels: list[str], samples: Samples) -> Metric:
    """prometheus_client appends `_total`."""
    family = CounterMetricFamily(f"edge_collector_{name}", documentation, labels=labels)
    for values, sample in samples:
        family.add_metric(values, sample)
    return family


def _gauges(name: str, documentation: str, labels: list[str], samples: Samples) -> Metric:
    family = GaugeMetricFamily(f"edge_collector_{name}", documentation, labels=labels)
    for values, sample in samples:
        family.add_metric(values, float(sample))
    return family


def _gauge(name: str, documentation: str, sample: float) -> Metric:
    return _gauges(name, documentation, [], [((), sample)])


def _histogram(name: str, documentation: str, histogram: Histogram) -> Metric:
    buckets = [(str(bound), count) for bound, count in sorted(histogram.buckets.items())]
    return HistogramMetricFamily(
        f"edge_collector_{name}", documentation, [*buckets, ("+Inf", histogram.count)], histogram.sum
    )
