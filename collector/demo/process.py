"""Processes of the demo: each with its log, each ended by its pid whatever happens."""

import asyncio
import os
import random
import shutil
import signal
import socket
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from collector.errors import CollectorError

STOP_TIMEOUT = 20.0
"""Seconds after SIGTERM until SIGKILL."""

START_TIMEOUT = 30.0
"""Seconds a process may take until it does what is waited for; far beyond the usual, for a busy machine."""


class DemoError(CollectorError):
    """The demo cannot go on: a part of it, not the promise it shows, has failed."""


class Process:
    """One child in a session of its own, so that Ctrl-C reaches the demo alone, which then ends its children."""

    def __init__(self, name: str, arguments: Sequence[str], log: Path, environment: Mapping[str, str]) -> None:
        self.name = name
        self.log = log
        self._arguments = arguments
        self._environment = {**os.environ, **environment}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """0 while it does not run."""
        return self._process.pid if self._process is not None else 0

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._arguments,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment,
                start_new_session=True,
            )

    def check(self) -> None:
        """Raises DemoError when it has ended and nobody asked it to."""
        if self._process is not None and (code := self._process.poll()) is not None:
            raise DemoError(f"{self.name} ended by itself (exit code {code}); see {self.log}")

    def send(self, number: signal.Signals) -> None:
        """Nothing where it does not run."""
        if self._process is not None:
            self._process.send_signal(number)

    async def kill(self) -> None:
        """SIGKILL; returns when it is gone."""
        self.send(signal.SIGKILL)
        process, self._process = self._process, None
        if process is not None:
            await asyncio.to_thread(process.wait)

    async def stop(self) -> None:
        """SIGTERM; returns when it is gone. Raises DemoError when it does not go, or says that something failed."""
        assert self._process is not None
        self.send(signal.SIGTERM)
        try:
            code = await asyncio.to_thread(self._process.wait, STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            raise DemoError(f"{self.name} does not stop within {STOP_TIMEOUT:g} s; see {self.log}") from None
        self._process = None
        if code:
            raise DemoError(f"{self.name} ended with exit code {code} when told to stop; see {self.log}")


async def accepts(process: Process, port: int) -> None:
    """Returns when something listens on the port of 127.0.0.1. Raises DemoError."""
    try:
        async with asyncio.timeout(START_TIMEOUT):
            while True:
                process.check()
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                except OSError:
                    await asyncio.sleep(0.02)
                    continue
                writer.close()
                return
    except TimeoutError:
        raise DemoError(f"{process.name} does not listen on port {port}; see {process.log}") from None


async def says(process: Process, text: str) -> None:
    """Returns when the log holds the text. Raises DemoError."""
    try:
        async with asyncio.timeout(START_TIMEOUT):
            while text not in process.log.read_text(errors="replace"):
                process.check()
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise DemoError(f"{process.name} is not ready; see {process.log}") from None


def find_mosquitto() -> str | None:
    """Debian puts it into /usr/sbin, which is not on every user's PATH."""
    return shutil.which("mosquitto", path=os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin"]))


def free_port() -> int:
    """A port of 127.0.0.1 below those that outgoing connections draw from: it stays free while nobody listens."""
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    for _ in range(100):
        port = random.randrange(10_000, lowest) if lowest > 10_000 else 0
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            found: int = probe.getsockname()[1]
            return found
    raise DemoError("no free TCP port on 127.0.0.1")
