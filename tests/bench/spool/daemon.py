"""The real daemon between a real broker of devices and a cloud that is down until told otherwise."""

import json
import os
import signal
import tempfile
import time
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any, Self

import paho.mqtt.client as paho

from collector.flash import written_bytes
from tests.bench.spool.workload import json_of, payloads
from tests.brokers import Mosquitto, free_port
from tests.end_to_end.rig import Program, until

PATIENCE = 300.0


class Collector:
    """Brokers, logs and the tail journal lie on a tmpfs: what is written to disk is the spool's."""

    def __init__(self, data_dir: Path) -> None:
        self._folder = tempfile.TemporaryDirectory(dir="/dev/shm", prefix="bench-spool-")
        folder = Path(self._folder.name)
        self._devices = Mosquitto(folder / "devices")
        self._cloud = Mosquitto(folder / "cloud")
        self._status = f"http://127.0.0.1:{free_port()}"
        data_dir.mkdir(exist_ok=True)
        configuration = folder / "collector.toml"
        configuration.write_text(
            f"""
            collector = {{ id = "box", data_dir = "{data_dir}" }}
            spool.max_bytes = "3 GiB"
            status.listen = "{self._status.removeprefix("http://")}"
            [sources.meter]
            type = "mqtt"
            url = "{self._devices.url}"
            topics = ["meter/+"]
            profile = "json-lines"
            [sinks.cloud]
            type = "mqtt"
            url = "{self._cloud.url}"
            format = "batch"
            backoff = {{ min = "1s", max = "5s" }}
            """
        )
        self._program = Program(folder, "run", "-c", str(configuration))
        self._program.environment["RUNTIME_DIRECTORY"] = os.environ["RUNTIME_DIRECTORY"]

    def __enter__(self) -> Self:
        self._devices.start()
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._program.close()
        for broker in (self._devices, self._cloud):
            with suppress(Exception):
                broker.stop()
        self._folder.cleanup()

    def start(self) -> float:
        """Returns the seconds from the start of the process until it was ready."""
        began = time.monotonic()
        self._program.start()
        while not self._ready():
            assert self._program.running, self._program.log.read_text()
            assert time.monotonic() - began < PATIENCE, "it does not become ready"
            time.sleep(0.005)
        return time.monotonic() - began

    def kill(self) -> None:
        self._program.end(signal.SIGKILL)

    def stop(self) -> int:
        """Bytes it has written to disk in all, its end included."""
        pid = self.pid
        self._program.send(signal.SIGTERM)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        written = self.written()
        assert self._program.wait() == 0
        return written

    @property
    def pid(self) -> int:
        return self._program.pid

    def written(self) -> int:
        """Bytes it has written to disk so far."""
        written = written_bytes(Path(f"/proc/{self.pid}/io"))
        assert written is not None
        return written

    def cloud_up(self) -> None:
        """Returns when the daemon is connected to it."""
        self._cloud.start()
        self._until(lambda: self._report()["sinks"]["cloud"]["connected"], "the sink")

    def publish(self, numbers: range, *, rate: int) -> None:
        """At QoS 1, so many a second."""
        client = paho.Client(paho.CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
        client.connect("127.0.0.1", self._devices.port)
        client.loop_start()
        began = time.monotonic()
        for at, fields in enumerate(islice(payloads(), len(numbers)), 1):
            last = client.publish(f"meter/{at % 10}", json_of(fields | {"n": numbers[at - 1]}), qos=1)
            time.sleep(max(0.0, began + at / rate - time.monotonic()))
        last.wait_for_publish(PATIENCE)
        client.disconnect()
        client.loop_stop()

    def wait_pending(self, count: int) -> None:
        self._until(lambda: self._books()["pending"] >= count, "the daemon to have received all")
        # What is in memory is committed within a second.
        time.sleep(2.0)

    def wait_drained(self, count: int) -> None:
        self._until(lambda: self._books()["delivered"] >= count, "the backlog to drain")

    def _books(self) -> dict[str, Any]:
        books: dict[str, Any] = self._report()["sinks"]["cloud"]["ledger"]
        return books

    def _report(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self._status}/status", timeout=5) as reply:
            report: dict[str, Any] = json.load(reply)
            return report

    def _ready(self) -> bool:
        with suppress(OSError), urllib.request.urlopen(f"{self._status}/readyz", timeout=5) as reply:
            return bool(reply.status == 200)
        return False

    def _until(self, condition: Callable[[], bool], what: str) -> None:
        until(condition, what, PATIENCE)
