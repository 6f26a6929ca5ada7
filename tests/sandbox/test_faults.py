"""Everything that goes wrong outside is borne inside the walls, where a system call too many would be the end."""

import contextlib
import json
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from collector.sandbox import wall
from tests.brokers import Mosquitto, free_port
from tests.end_to_end.clouds import Web
from tests.end_to_end.rig import Program, publish, until
from tests.faults.line import Line
from tests.faults.test_database import zero_a_page
from tests.mqtt.certificates import Authority

DUST = bytes.fromhex("aac0d4043a0aa1601dab")
"""A frame of an SDS011."""

pytestmark = pytest.mark.skipif(bool(wall.prospect("enforce").missing), reason="this kernel or a library lacks a wall")


class Surroundings:
    """A TLS broker, a web server, a serial line, a name that nobody knows; and the daemon amid them."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.secrets = directory / "secrets"
        self.secrets.mkdir()
        self.devices = Mosquitto(directory / "devices")
        self.cloud_port, self.status_port = free_port(), free_port()
        self.cloud = self.certified("first")
        self.web = Web(directory / "web")
        self.line = Line(directory / "ttyUSB0")
        self.readings = directory / "readings.jsonl"
        self.configuration = directory / "conf" / "collector.toml"
        self.configuration.parent.mkdir()
        self.configuration.write_text(
            f"""
            collector.data_dir = "{directory}/data"
            status.listen = "127.0.0.1:{self.status_port}"
            [sources.host]
            type = "host"
            interval = "100ms"
            [sources.meter]
            type = "mqtt"
            url = "{self.devices.url}"
            topics = ["meter/+"]
            profile = "json-lines"
            [sinks.cloud]
            type = "mqtt"
            url = "mqtts://localhost:{self.cloud_port}"
            ca_file = "{self.secrets}/ca.pem"
            backoff = {{ min = "100ms", max = "500ms" }}
            [sinks.far]
            type = "http"
            url = "http://no-such-host.invalid/readings"
            backoff = {{ min = "100ms", max = "500ms" }}
            [sinks.archive]
            type = "file"
            path = "{self.readings}"
            max_bytes = "1 MiB"
            {self.line.source("nova-sds011")}
            {self.web.sink}
            """
        )
        self.daemon = Program(directory, "run", "-c", str(self.configuration))
        # Tests that run below nohup have SIGHUP ignored, and so would the daemon.
        self.daemon.command = ["env", "--default-signal=HUP", sys.executable, "-m", "tests.sandbox.deadly"]

    def certified(self, name: str) -> Mosquitto:
        """The cloud with a certificate of a new authority, which takes the old one's place at once."""
        authority = Authority(self.directory / name)
        (self.secrets / "new.pem").write_bytes(authority.certificate.read_bytes())
        (self.secrets / "new.pem").rename(self.secrets / "ca.pem")
        certificate, key = authority.issue("localhost")
        lines = [f"listener {self.cloud_port} 127.0.0.1", f"certfile {certificate}", f"keyfile {key}"]
        return Mosquitto(self.directory / f"cloud-{name}", port=self.cloud_port, listener=False, config_lines=lines)

    def get(self, path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.status_port}{path}", timeout=5) as reply:
            return str(reply.read().decode())

    def connected(self, kind: str, name: str) -> bool:
        assert self.daemon.running, "killed by a system call that the list lacks, or ended"
        with contextlib.suppress(OSError, KeyError):  # not there yet, or its spool is not open
            return bool(json.loads(self.get("/status"))[kind][name]["connected"])
        return False

    def said(self, event: str) -> bool:
        assert self.daemon.running, "killed by a system call that the list lacks, or ended"
        return f'"{event}"' in self.daemon.log.read_text()


@pytest.mark.slow
@pytest.mark.fault(48)
def test_no_fault_needs_what_the_walls_keep_from_it(tmp_path: Path) -> None:
    around = Surroundings(tmp_path)
    daemon = around.daemon
    with around.devices, around.web, contextlib.ExitStack() as stack:
        stack.callback(daemon.close)
        around.cloud.start()
        stack.callback(lambda: around.cloud.stop())
        line = stack.enter_context(around.line)
        daemon.start()
        until(lambda: all(around.connected("sinks", name) for name in ("cloud", "web", "archive")), "the sinks")
        until(lambda: all(around.connected("sources", name) for name in ("meter", "line", "host")), "the sources")

        around.cloud.kill()  # from here on everything is committed
        line.send(DUST * 10)
        publish(around.devices.port, range(6_000), padding=50)
        until(lambda: json.loads(around.get("/status"))["spool"]["commits"] > 2, "commits")
        assert "edge_collector_process_open_fds" in around.get("/metrics")
        asked = [sys.executable, "-m", "collector", "spool", "stats", "-c", str(around.configuration)]
        subprocess.run(asked, check=True, timeout=30, capture_output=True)
        assert "no such host" in around.get("/status")

        assert daemon.end(signal.SIGTERM) == 0  # what is committed goes from the WAL into the database
        daemon.start()
        until(lambda: around.connected("sources", "meter"), "the daemon again")
        pid = daemon.pid
        zero_a_page(tmp_path / "data" / "spool.sqlite3")
        around.cloud = around.certified("second")
        around.cloud.start()
        until(lambda: around.said("spool.salvaged"), "what is damaged to be found, and the rest salvaged")
        until(lambda: around.connected("sinks", "cloud"), "the cloud with its new certificate")

        around.line.port.unlink()
        line.__exit__()
        until(lambda: not around.connected("sources", "line"), "the unplugged line to be missed")
        around.line.__enter__()
        until(lambda: around.connected("sources", "line"), "the line plugged in again")

        right = around.configuration.read_text()
        around.configuration.write_text("nonsense")
        daemon.send(signal.SIGHUP)
        until(lambda: around.said("daemon.not_reloaded"), "the wrong configuration to be refused")
        around.configuration.write_text(right)

        around.devices.restart()
        until(lambda: around.connected("sources", "meter"), "the devices' broker again")
        publish(around.devices.port, range(6_000, 9_000), padding=50)
        until(lambda: around.readings.with_name("readings.jsonl.1").exists(), "the file to be rotated")
        until(lambda: json.loads(around.get("/status"))["sinks"]["cloud"]["ledger"]["pending"] == 0, "the backlog")
        assert daemon.pid == pid
        assert not around.said("internal.error")
        daemon.send(signal.SIGHUP)
        assert daemon.wait() == 75
