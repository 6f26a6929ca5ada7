"""Two Mosquittos with a peer between them, devices on one side and a counter on the other."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Self

from tests.bench import process
from tests.bench.counter import Counter
from tests.bench.generator import Generator
from tests.bench.messages import PROBE, packets
from tests.bench.peers.peer import Peer, Place
from tests.brokers import Mosquitto

READY_SECONDS = 60.0
PROBE_SECONDS = 0.2
QUIET_SECONDS = 5.0
"""Longer than any peer pauses between two tries."""
# The same for all: no limit that would cut a peer's queue, as many in flight as the peer likes, errors in the log.
BROKER = ("max_inflight_messages 1000", "log_type none", "log_type error")


class NotMeasured(Exception):
    """Says in one line why."""


class Rig:
    """As a context manager it is up and open from end to end: a probe has come through."""

    def __init__(self, peer: Peer, scratch: Path, expected: int) -> None:
        self.directory = Path(tempfile.mkdtemp(dir=scratch))
        self._memory = Path(tempfile.mkdtemp(dir="/dev/shm", prefix="bench-"))
        self.source = Mosquitto(self.directory / "source", persistence=False, config_lines=BROKER)
        # It saves its sessions when it stops, so that the counter misses nothing.
        self.uplink = Mosquitto(self.directory / "uplink", autosave_interval=0, config_lines=BROKER)
        (home := self.directory / "peer").mkdir()
        self._peer = peer
        self._command = peer.command(Place(home, self._memory, self.source.port, self.uplink.port))
        self._process: subprocess.Popen[bytes] | None = None
        self._expected = expected
        self._open = contextlib.ExitStack()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            stack.callback(shutil.rmtree, self._memory, ignore_errors=True)
            stack.callback(shutil.rmtree, self.directory, ignore_errors=True)
            stack.enter_context(self.source)
            stack.enter_context(self.uplink)
            self.counter = stack.enter_context(Counter(self.uplink.port, self._expected))
            if not self.counter.subscribed.wait(10):
                raise NotMeasured("the counter could not subscribe")
            stack.enter_context(self._peer.platform(self.uplink.port))
            self.generator = stack.enter_context(Generator(self.source.port))
            stack.callback(self.kill)
            self.start()
            self._probe()
            self._open = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def start(self) -> None:
        with (self.directory / "peer.log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                cwd=self.directory / "peer",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def kill(self) -> None:
        """SIGKILL to every process of the peer."""
        if self._process is None:
            return
        for pid in process.tree(self._process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()
        self._process = None

    @property
    def pid(self) -> int:
        if self._process is None or self._process.poll() is not None:
            raise NotMeasured(f"it ended: {self._last_words()}")
        return self._process.pid

    def settle(self, timeout: float, quiet: float = QUIET_SECONDS) -> None:
        """Returns when everything is there and, for a moment, nothing more comes; or nothing has come for `quiet`."""
        begin = time.monotonic()
        while (now := time.monotonic()) - begin < timeout:
            complete = self.counter.arrivals.unique == self._expected
            if now - max(self.counter.last, begin) > (0.5 if complete else quiet):
                return
            time.sleep(0.05)

    def idle(self, timeout: float) -> None:
        """Returns once the peer has nothing left to do: less than a tenth of a core for a second."""
        end = time.monotonic() + timeout
        used = process.cpu_seconds(self.pid)
        while time.monotonic() < end:
            time.sleep(1)
            used, before = process.cpu_seconds(self.pid), used
            if used - before < 0.1:
                return

    def _probe(self) -> None:
        for probe in packets(PROBE, int(READY_SECONDS / PROBE_SECONDS)):
            self.generator.publish([probe])
            time.sleep(PROBE_SECONDS)
            if self.pid and self.counter.arrivals.probes:
                time.sleep(1)  # for the rest of the probes
                return
        raise NotMeasured(f"nothing came through in {READY_SECONDS:.0f} s: {self._last_words()}")

    def _last_words(self) -> str:
        lines = (self.directory / "peer.log").read_text(errors="replace").strip().splitlines()
        return lines[-1][:200] if lines else "it said nothing"
