"""Prometheus itself: its linter over what we show, and a server that scrapes the running daemon."""

import contextlib
import json
import shutil
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from tests.brokers import Mosquitto, free_port, mosquitto_binary
from tests.end_to_end.rig import Program, until
from tests.status.reports import busy_report
from tests.status.test_metrics import TYPES, registry_for

needs_promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
needs_prometheus = pytest.mark.skipif(
    shutil.which("prometheus") is None or mosquitto_binary() is None, reason="prometheus or mosquitto is not installed"
)


@needs_promtool
def test_promtool_finds_nothing_to_say() -> None:
    """It checks names, base units, the suffixes of counters, and that every family has its help."""
    shown = generate_latest(registry_for(busy_report))
    result = subprocess.run(["promtool", "check", "metrics"], input=shown, capture_output=True)
    assert (result.returncode, result.stdout, result.stderr) == (0, b"", b"")


def test_openmetrics_is_well_formed() -> None:
    shown = generate_openmetrics(registry_for(busy_report)).decode()
    assert shown.endswith("# EOF\n")
    assert len(list(text_string_to_metric_families(shown))) == len(TYPES)


@pytest.fixture
def daemon_port(tmp_path: Path) -> Iterator[int]:
    """The status port of a daemon that delivers the host's figures to a broker."""
    port = free_port()
    with Mosquitto(tmp_path / "cloud") as cloud:
        (tmp_path / "collector.toml").write_text(
            f"""
            status.listen = "127.0.0.1:{port}"
            collector.data_dir = "{tmp_path}/data"
            sources.host.type = "host"
            sources.host.interval = "100ms"
            sinks.cloud.type = "mqtt"
            sinks.cloud.url = "{cloud.url}"
            """
        )
        daemon = Program(tmp_path, "run", "-c", str(tmp_path / "collector.toml"))
        daemon.start()
        try:
            yield port
        finally:
            daemon.close()


@pytest.fixture
def prometheus(tmp_path: Path, daemon_port: int) -> Iterator[str]:
    """The address of a server that scrapes the daemon every second."""
    listen = f"127.0.0.1:{free_port()}"
    configuration = tmp_path / "prometheus.yml"
    configuration.write_text(
        f"""
        global: {{ scrape_interval: 1s }}
        scrape_configs:
          - job_name: edge
            static_configs: [{{ targets: ["127.0.0.1:{daemon_port}"] }}]
        """
    )
    with (tmp_path / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(
            [
                "prometheus",
                f"--config.file={configuration}",
                f"--storage.tsdb.path={tmp_path / 'tsdb'}",
                f"--web.listen-address={listen}",
            ],
            stdout=log,
            stderr=log,
        )
    try:
        yield f"http://{listen}"
    finally:
        process.terminate()
        process.wait(10)


@needs_prometheus
def test_a_prometheus_scrapes_the_running_daemon(prometheus: str) -> None:
    def query(expression: str) -> dict[str, float]:
        """Label values (or nothing) -> value."""
        url = f"{prometheus}/api/v1/query?{urllib.parse.urlencode({'query': expression})}"
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5) as reply:
            result: list[dict[str, Any]] = json.load(reply)["data"]["result"]
            return {
                row["metric"].get("sink") or row["metric"].get("source") or "": float(row["value"][1]) for row in result
            }
        return {}

    delivered = "edge_collector_readings_delivered_total"
    until(lambda: query(delivered).get("cloud", 0) > 5, "Prometheus to see deliveries")
    assert query("up") == {"": 1}
    assert query("edge_collector_sink_connected") == {"cloud": 1}
    assert query("edge_collector_source_connected") == {"host": 1}
    assert query("time() - edge_collector_heartbeat_timestamp_seconds < 10")
    assert query("edge_collector_process_resident_memory_bytes")[""] > 1e7
    # The books, as an alert would check them.
    balance = (
        "sum(edge_collector_readings_received_total) - sum(edge_collector_readings_delivered_total)"
        " - sum(edge_collector_spool_pending_readings)"
    )
    assert query(balance) == {"": 0}
    until(lambda: query(f"rate({delivered}[10s])").get("cloud", 0) > 1, "a rate")
