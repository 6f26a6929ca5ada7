"""The whole way on real parts: two Mosquittos, the daemon and the receiver, each its own process."""

import contextlib
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho

from tests.brokers import Mosquitto, free_port

PATIENCE = 60.0


class Program:
    """An `edge-collector` command that is started, stopped and killed like a service."""

    def __init__(self, directory: Path, *arguments: str) -> None:
        self.log = directory / f"{arguments[0]}.log"
        self.command = [sys.executable, "-m", "collector"]
        """What goes before the arguments; a test may wrap it."""
        self.environment = {key: value for key, value in os.environ.items() if key != "RUNTIME_DIRECTORY"}
        self._arguments = arguments
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*self.command, *self._arguments], stdout=log, stderr=log, env=self.environment
            )

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def send(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def wait(self, patience: float = PATIENCE) -> int:
        """The exit code of a process that ends by itself."""
        assert self._process is not None
        code = self._process.wait(patience)
        self._process = None
        return code

    def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        """The exit code."""
        self.send(how)
        return self.wait()

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(PATIENCE)


class Rig:
    """`devices` → daemon → `cloud` → receiver. With `delay`, seconds each way, the uplink is slow.

    `meter` and `sink` are more keys of the source and the sink, `extra` more tables. `cloud_host` and `cloud_port`
    are where the daemon looks for the cloud, if not where that is; without `receiver` nobody listens there.
    """

    def __init__(
        self,
        directory: Path,
        *,
        format: str = "reading",
        delay: float = 0.0,
        data_dir: Path | None = None,
        cloud_host: str = "127.0.0.1",
        cloud_port: int | None = None,
        receiver: bool = True,
        meter: str = "",
        sink: str = "",
        extra: str = "",
    ) -> None:
        self.directory = directory
        self.devices = Mosquitto(directory / "devices")
        # With Mosquitto's own limit of 20 in flight, 100 ms there and back would allow 200 messages a second.
        self.cloud = Mosquitto(directory / "cloud", config_lines=["max_inflight_messages 1000"])
        self.uplink = Uplink(self.cloud.port, delay) if delay else None
        if self.uplink is not None:
            cloud_port = self.uplink.port
        self._receiving = receiver
        self.data_dir = data_dir or directory / "data"
        self.database = directory / "received.sqlite3"
        self.status_port = free_port()
        configuration = directory / "collector.toml"
        configuration.write_text(
            f"""
            [collector]
            id = "box"
            data_dir = "{self.data_dir}"
            [sources.meter]
            type = "mqtt"
            url = "{self.devices.url}"
            topics = ["meter/+"]
            profile = "json-lines"
            backoff = {{ min = "100ms", max = "1s" }}
            {meter}
            [sinks.cloud]
            type = "mqtt"
            url = "mqtt://{cloud_host}:{cloud_port or self.cloud.port}"
            format = "{format}"
            backoff = {{ min = "100ms", max = "1s" }}
            {sink}
            [status]
            listen = "127.0.0.1:{self.status_port}"
            {extra}
            """
        )
        self.configuration = configuration
        self.daemon = Program(directory, "run", "-c", str(configuration))
        self.receiver = Program(directory, "receive", "--url", self.cloud.url, "--db", str(self.database))

    def __enter__(self) -> "Rig":
        self.devices.start()
        if self._receiving:
            self.cloud.start()
            self.receiver.start()
        self.daemon.start()
        self.wait_ready()
        if self._receiving:
            until(lambda: self.database.exists() and "connected" in self.receiver.log.read_text(), "the receiver")
        return self

    def __exit__(self, *exc: object) -> None:
        self.daemon.close()
        self.receiver.close()
        for broker in (self.devices, self.cloud):
            with contextlib.suppress(Exception):
                broker.stop()
        if self.uplink is not None:
            self.uplink.close()

    def wait_ready(self) -> None:
        def ready() -> bool:
            assert self.daemon.running, "the daemon has ended by itself"
            with contextlib.suppress(OSError), urllib.request.urlopen(self._url("/readyz"), timeout=5) as reply:
                return bool(reply.status == 200)
            return False

        until(ready, "the daemon")

    def status(self) -> dict[str, Any]:
        with urllib.request.urlopen(self._url("/status"), timeout=5) as reply:
            report: dict[str, Any] = json.load(reply)
            return report

    def ledger(self) -> dict[str, Any]:
        books: dict[str, Any] = self.status()["sinks"]["cloud"]["ledger"]
        return books

    def wait_drained(self, received: int) -> dict[str, Any]:
        """The ledger once the daemon has received so much and nothing is pending."""

        def drained() -> bool:
            books = self.ledger()
            return books["received"] >= received and books["pending"] == 0

        until(drained, "the backlog to drain")
        return self.ledger()

    def stored(self) -> Counter[int]:
        """How often each published number stands in the receiver's store."""
        with contextlib.closing(sqlite3.connect(self.database)) as connection:
            rows = connection.execute("SELECT json_extract(fields, '$.n') FROM reading").fetchall()
        return Counter(row[0] for row in rows)

    def identities(self) -> dict[str, list[int]]:
        """The seqs stored, by epoch."""
        with contextlib.closing(sqlite3.connect(self.database)) as connection:
            rows = connection.execute("SELECT epoch, seq FROM reading ORDER BY epoch, seq").fetchall()
        epochs: dict[str, list[int]] = {}
        for epoch, seq in rows:
            epochs.setdefault(epoch, []).append(seq)
        return epochs

    def wait_stored(self, count: int) -> None:
        until(lambda: len(self.stored()) >= count, "the receiver to store everything")

    def check_exactly_once(self, count: int) -> None:
        """0 to `count` - 1 each arrived once, every epoch without a gap, and the books balance."""
        ledger = self.wait_drained(count)
        self.wait_stored(count)
        stored = self.stored()
        lost = set(range(count)) - stored.keys()
        twice = {number: times for number, times in stored.items() if times > 1}
        assert (len(lost), twice) == (0, {}), f"lost {sorted(lost)[:10]}"
        for epoch, seqs in self.identities().items():
            assert seqs == list(range(1, len(seqs) + 1)), f"gap in epoch {epoch}"
        assert ledger["remainder"] == 0
        assert ledger["received"] == ledger["delivered"] == count
        assert (ledger["pending"], ledger["dropped"], ledger["dead"]) == (0, {}, 0)

    def check_at_least_once(self, count: int) -> None:
        """0 to `count` - 1 each arrived, and the books, which may have forgotten some, balance."""
        self.wait_stored(count)
        lost = set(range(count)) - self.stored().keys()
        assert not lost, f"lost {sorted(lost)[:10]}"
        ledger = self.wait_drained(0)
        assert (ledger["remainder"], ledger["dropped"], ledger["dead"]) == (0, {}, 0)

    def get(self, path: str) -> tuple[int, str]:
        """Status and text of a page of the daemon."""
        try:
            with urllib.request.urlopen(self._url(path), timeout=5) as reply:
                return reply.status, reply.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def _url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.status_port}{path}"


def publish(port: int, numbers: range, *, rate: float | None = None, padding: int = 0) -> None:
    """Publishes {"n": number} at QoS 1 and returns when the broker has taken them all.

    `padding` is how many bytes each message brings along that no compression makes smaller.
    """
    client = paho.Client(paho.CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
    client.max_inflight_messages_set(500)
    client.max_queued_messages_set(0)
    client.connect("127.0.0.1", port)
    client.loop_start()
    start = time.monotonic()
    last = None
    for at, number in enumerate(numbers):
        ballast = f',"ballast":"{os.urandom(padding).hex()}"' if padding else ""
        last = client.publish(f"meter/{number % 10}", f'{{"n":{number},"temperature":21.5{ballast}}}', qos=1)
        if rate is not None and at % 50 == 49:
            time.sleep(max(0.0, start + at / rate - time.monotonic()))
    until(lambda: not client._out_messages, "the device broker to take everything")  # type: ignore[attr-defined]
    assert last is not None
    last.wait_for_publish(PATIENCE)
    client.disconnect()
    client.loop_stop()


class Publisher(threading.Thread):
    """Publishes beside the test; `done` waits for the end and raises what went wrong."""

    def __init__(self, port: int, numbers: range, *, rate: float) -> None:
        super().__init__(daemon=True)
        self._arguments = (port, numbers, rate)
        self._error: BaseException | None = None
        self.start()

    def run(self) -> None:
        port, numbers, rate = self._arguments
        try:
            publish(port, numbers, rate=rate)
        except BaseException as error:
            self._error = error

    def done(self) -> None:
        self.join(120)
        assert not self.is_alive(), "publishing took too long"
        if self._error is not None:
            raise self._error


class Uplink:
    """A TCP way to `target` that takes `delay` seconds in each direction."""

    def __init__(self, target: int, delay: float) -> None:
        self._target = target
        self._delay = delay
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                near.close()
                continue
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._carry, args=(source, sink), daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket) -> None:
        """Bytes leave `delay` after they came, however many are on the way."""
        on_the_way: list[tuple[float, bytes]] = []
        arrived = threading.Condition()

        def leave() -> None:
            while True:
                with arrived:
                    while not on_the_way:
                        arrived.wait()
                    at, data = on_the_way.pop(0)
                time.sleep(max(0.0, at - time.monotonic()))
                if not data:
                    for end in (source, sink):
                        with contextlib.suppress(OSError):
                            end.shutdown(socket.SHUT_RDWR)
                        end.close()
                    return
                with contextlib.suppress(OSError):
                    sink.sendall(data)

        threading.Thread(target=leave, daemon=True).start()
        data = b"-"
        while data:
            try:
                data = source.recv(65536)
            except OSError:
                data = b""
            with arrived:
                on_the_way.append((time.monotonic() + self._delay, data))
                arrived.notify()


def until(condition: Callable[[], bool], what: str, patience: float = PATIENCE) -> None:
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, f"waited {patience:g} s for {what}"
        time.sleep(0.05)


@contextlib.contextmanager
def running(rig: Rig) -> Iterator[Rig]:
    with rig:
        yield rig
