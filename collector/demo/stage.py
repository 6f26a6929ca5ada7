"""All that runs beside the demo itself, in one directory: two brokers, the collector, the receiver, the uplink."""

import http.client
import os
import shutil
import signal
import sqlite3
import sys
import tempfile
from contextlib import closing
from pathlib import Path

import msgspec

import collector
from collector.demo.process import Process, accepts, free_port, says
from collector.demo.uplink import Uplink
from collector.errors import ConfigurationError
from collector.status.report import Report

_CONFIGURATION = """\
[collector]
id = "demo"
data_dir = {data_dir}

[spool]
clock_wait = "0s"

[sources.air]
type = "serial"
port = {serial_port}
profile = "nova-sds011"
backoff = {{ min = "200ms", max = "2s" }}

[sources.meters]
type = "mqtt"
url = "mqtt://127.0.0.1:{local}"
topics = ["meters/+"]
profile = "json-lines"

[sources.host]
type = "host"
interval = "1s"

[sinks.cloud]
type = "mqtt"
url = "mqtt://127.0.0.1:{uplink}"
format = "reading"
backoff = {{ min = "200ms", max = "2s" }}

[status]
listen = "127.0.0.1:{status}"
"""

_BROKER = """\
listener {port} 127.0.0.1
allow_anonymous true
persistence true
persistence_location {directory}/
max_queued_messages 0
log_dest stderr
"""


class Stage:
    """`start` returns with everything ready for the first reading; `close` ends all of it, and only that."""

    def __init__(self, directory: Path, mosquitto: str, serial_port: str) -> None:
        self.directory = directory
        self.database = directory / "received.sqlite3"
        self.local_port = free_port()
        self._cloud_port = free_port()
        self._status_port = free_port()
        self.uplink = Uplink(free_port(), self._cloud_port)
        # Of our own and in memory, so that it can be removed; the daemon would make one that stays.
        shared = Path("/dev/shm")
        self._runtime = Path(tempfile.mkdtemp(prefix="edge-collector-demo-", dir=shared if shared.is_dir() else None))
        configuration = directory / "collector.toml"
        configuration.write_text(
            _CONFIGURATION.format(
                data_dir=_quoted(str(directory / "data")),
                serial_port=_quoted(serial_port),
                local=self.local_port,
                uplink=self.uplink.port,
                status=self._status_port,
            )
        )
        python = [sys.executable, "-P", "-m", "collector"]
        receive = [*python, "receive", "--url", f"mqtt://127.0.0.1:{self._cloud_port}", "--db", str(self.database)]
        self._local = self._broker("local-broker", mosquitto, self.local_port)
        self._cloud = self._broker("cloud-broker", mosquitto, self._cloud_port)
        self.daemon = self._process("daemon", [*python, "run", "-c", str(configuration)])
        self.receiver = self._process("receive", receive)
        self._processes = (self.daemon, self.receiver, self._local, self._cloud)

    @property
    def status_url(self) -> str:
        return f"http://127.0.0.1:{self._status_port}/status"

    async def start(self) -> None:
        """Raises DemoError."""
        self._local.start()
        self._cloud.start()
        await accepts(self._local, self.local_port)
        await accepts(self._cloud, self._cloud_port)
        await self.uplink.start()
        # Subscribed before the first reading is published: a broker keeps nothing for whom it does not know.
        self.receiver.start()
        await says(self.receiver, "connected to")
        self.daemon.start()

    def check(self) -> None:
        """Raises DemoError when a process has ended by itself."""
        for process in self._processes:
            process.check()

    async def close(self) -> None:
        """Whatever still runs is killed. Idempotent."""
        # All signals go out before anything is waited for: a second Ctrl-C may end the waiting.
        for process in self._processes:
            process.send(signal.SIGKILL)
        shutil.rmtree(self._runtime, ignore_errors=True)
        for process in self._processes:
            await process.kill()
        await self.uplink.close()

    def report(self) -> Report | None:
        """What the daemon's /status says; None while nobody answers, or its spool is not open yet."""
        connection = http.client.HTTPConnection("127.0.0.1", self._status_port, timeout=2)
        try:
            connection.request("GET", "/status")
            report = msgspec.json.decode(connection.getresponse().read(), type=Report)
            return report if report.sinks else None
        except (OSError, http.client.HTTPException, msgspec.DecodeError):
            return None
        finally:
            connection.close()

    def stored(self) -> int:
        """Readings in the receiver's database."""
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as connection:
            count: int = connection.execute("SELECT count(*) FROM reading").fetchone()[0]
            return count

    def _process(self, name: str, arguments: list[str]) -> Process:
        # This very code, whatever lies in the current directory: `-P` leaves that out of the path.
        environment = {"RUNTIME_DIRECTORY": str(self._runtime), "PYTHONPATH": str(Path(collector.__file__).parents[1])}
        return Process(name, arguments, self.directory / f"{name}.log", environment)

    def _broker(self, name: str, mosquitto: str, port: int) -> Process:
        directory = self.directory / name
        directory.mkdir()
        configuration = directory / "mosquitto.conf"
        # As root it would become another user, who may not write here.
        user = "user root\n" if os.getuid() == 0 else ""
        configuration.write_text(_BROKER.format(port=port, directory=directory) + user)
        return self._process(name, [mosquitto, "-c", str(configuration)])


def make_directory(given: Path | None) -> Path:
    """A new temporary one, or `given`, which must be empty. Raises ConfigurationError."""
    if given is None:
        return Path(tempfile.mkdtemp(prefix="edge-collector-demo-"))
    try:
        given.mkdir(parents=True, exist_ok=True)
        if any(given.iterdir()):
            raise ConfigurationError([f"--directory {given}: is not empty; name a new one"])
    except OSError as error:
        raise ConfigurationError([f"--directory {given}: {error.strerror}"]) from error
    return given.resolve()


def _quoted(text: str) -> str:
    """As a TOML string."""
    return msgspec.json.encode(text).decode()
