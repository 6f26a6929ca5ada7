"""The demo from the first reading to the verdict."""

import asyncio
import re
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from collector.demo.audit import audit
from collector.demo.devices import DustSensor, Meters
from collector.demo.moment import Moment, Verdict, View
from collector.demo.process import START_TIMEOUT, DemoError
from collector.demo.stage import Stage
from collector.status.report import Report

CUT, KILL, RESTORE = 0.30, 0.45, 0.63
"""When things happen, as shares of the whole; the devices stop at 1."""

DEAD_FOR: Final = 0.5
"""Seconds between SIGKILL and the start of the next daemon: what a service manager takes."""

READ_TIMEOUT: Final = 10.0
"""Seconds until a frame that was sent must have been read."""

DRAIN_TIMEOUT: Final = 30.0
"""Seconds from the restored uplink until everything must be delivered."""

LAST_CHANCE: Final = 10.0
"""Seconds that a long demo grants for that, counted from when the devices stop."""

LOOK_EVERY: Final = 0.25
"""Seconds between two looks at the figures."""

RATE_OVER: Final = 8
"""Looks that a rate is taken over."""


class Play:
    """One run of the demo on a stage."""

    def __init__(self, stage: Stage, sensor: DustSensor, seconds: float, view: View) -> None:
        self._stage = stage
        self._sensor = sensor
        self._meters = Meters(stage.local_port)
        self._view = view
        self._moment = Moment(of=seconds)
        self._report: Report | None = None
        """The daemon's newest; None while it is dead or has not answered yet."""
        self._looked = asyncio.Event()
        """Set at every look, and then replaced."""
        self._looks: deque[tuple[float, int, int]] = deque(maxlen=RATE_OVER)
        self._started = time.monotonic()
        self._begun = False
        self._restored = 0.0

    async def run(self) -> Verdict:
        """Raises an ExceptionGroup of DemoError, MqttError (from the meters) or sqlite3.Error."""
        stage = self._stage
        self._event("starting two brokers, the receiver and the daemon")
        await stage.start()
        async with asyncio.TaskGroup() as background:
            watching = background.create_task(self._watch())
            await self._require(_all_connected, "the daemon does not connect everything")
            self._started, self._begun = time.monotonic(), True
            self._event(f"all is connected; the daemon's figures: {stage.status_url}")
            devices = [background.create_task(device.run()) for device in (self._sensor, self._meters)]
            try:
                await self._act()
            finally:
                # Also when interrupted: before Python 3.12 a cancellation can get lost inside wait_for.
                self._sensor.stop()
                self._meters.stop()
            await asyncio.wait(devices)
            self._event("devices stopped")
            drained = await self._drain()
            report = drained or self._report
            watching.cancel()
        if report is None:
            raise DemoError(f"the daemon does not answer; see {stage.daemon.log}")
        ledger = report.sinks["cloud"].ledger
        await stage.daemon.stop()
        stored = await self._arrive(ledger.delivered)
        await stage.receiver.stop()
        self._event("daemon and receiver stopped with SIGTERM")
        truths = [self._sensor.truth(), self._meters.truth()]
        findings = await asyncio.to_thread(audit, stage.database, truths, ledger)
        return Verdict(
            findings, ledger, drained is not None, self._sent(), self._sensor.unheard, stored, self._duplicates()
        )

    async def _act(self) -> None:
        """All that happens while the devices send."""
        await self._at(CUT)
        self._stage.uplink.cut()
        self._moment.uplink_cut = True
        self._event("uplink CUT", bad=True)
        await self._at(KILL)
        await self._kill()
        await self._at(RESTORE)
        self._stage.uplink.restore()
        self._moment.uplink_cut = False
        self._restored = time.monotonic()
        backlog = self._moment.ledger
        self._event(f"uplink restored, {backlog.pending} readings pending")
        left = self._started + self._moment.of - self._restored
        if await self._wait_for(lambda report: report.sinks["cloud"].ledger.delivered >= backlog.received, left):
            self._event(f"drained: the backlog is gone after {time.monotonic() - self._restored:.1f} s")
        await self._at(1.0)

    async def _kill(self) -> None:
        """SIGKILL, and a new start."""
        daemon, sensor = self._stage.daemon, self._sensor
        # Bytes in the kernel's buffer of a serial line die with the process that has it open, and no program can
        # promise them. So the kill falls between two frames: the sensor pauses, and all it sent has been read.
        sensor.pause(True)
        if not await self._wait_for(lambda report: report.sources["air"].readings >= len(sensor.sent), READ_TIMEOUT):
            self._event("the daemon has not read all that the sensor sent", bad=True)
        pid = daemon.pid
        await daemon.kill()
        self._report = None
        self._event(f"daemon (pid {pid}) KILLED with SIGKILL, {self._moment.ledger.pending} readings pending", bad=True)
        await asyncio.sleep(DEAD_FOR)
        daemon.start()
        await self._require(_all_open, "the daemon does not open its sources again")
        sensor.pause(False)
        self._event(f"daemon started again (pid {daemon.pid}), {self._moment.ledger.pending} readings pending")

    async def _drain(self) -> Report | None:
        """The report that says that all that was sent is read and delivered; None if none said so in time."""
        sent = self._sent()
        deadline = max(self._restored + DRAIN_TIMEOUT, time.monotonic() + LAST_CHANCE)
        report = await self._wait_for(
            lambda report: (
                report.sinks["cloud"].ledger.pending == 0
                and all(report.sources[source].readings >= count for source, count in sent.items())
            ),
            deadline - time.monotonic(),
        )
        if report is None:
            self._event("not all that was sent is delivered in time", bad=True)
        else:
            self._event("all that was sent is delivered, nothing is pending")
        return report

    async def _arrive(self, delivered: int) -> int:
        """Gives the receiver time to store what the cloud's broker has; returns how many readings it stored."""
        deadline = time.monotonic() + READ_TIMEOUT
        while True:
            stored = await asyncio.to_thread(self._stage.stored)
            if stored >= delivered or time.monotonic() > deadline:
                return stored
            await asyncio.sleep(0.05)

    async def _watch(self) -> None:
        """Looks at all figures again and again, and shows them. Raises DemoError when a process has ended."""
        moment, stage = self._moment, self._stage
        while True:
            stage.check()
            pid = stage.daemon.pid
            report = await asyncio.to_thread(stage.report) if pid else None
            moment.stored = await asyncio.to_thread(stage.stored)
            moment.daemon_pid = stage.daemon.pid
            # What a daemon said that has been killed since is no news.
            self._report = report if pid == stage.daemon.pid else None
            if self._report is not None:
                moment.ledger = self._report.sinks["cloud"].ledger
                moment.read = {name: source.readings for name, source in self._report.sources.items()}
            now = time.monotonic()
            moment.seconds = now - self._started
            moment.sent = self._sent()
            moment.unheard = self._sensor.unheard
            moment.history.append(moment.ledger.pending)
            self._looks.append((now, moment.ledger.received, moment.stored))
            then, received, stored = self._looks[0]
            if now > then:
                moment.rate_in = (moment.ledger.received - received) / (now - then)
                moment.rate_out = (moment.stored - stored) / (now - then)
            if self._begun:
                self._view.show(moment)
            self._looked.set()
            self._looked = asyncio.Event()
            await asyncio.sleep(LOOK_EVERY)

    async def _wait_for(self, holds: Callable[[Report], bool], seconds: float) -> Report | None:
        """The first report for which it holds; None if there is none within that time."""
        try:
            async with asyncio.timeout(seconds):
                while self._report is None or not holds(self._report):
                    await self._looked.wait()
                return self._report
        except TimeoutError:
            return None

    async def _require(self, holds: Callable[[Report], bool], trouble: str) -> None:
        if await self._wait_for(holds, START_TIMEOUT) is None:
            raise DemoError(f"{trouble}; see {self._stage.daemon.log}")

    async def _at(self, share: float) -> None:
        await asyncio.sleep(self._started + share * self._moment.of - time.monotonic())

    def _event(self, text: str, *, bad: bool = False) -> None:
        self._view.event(time.monotonic() - self._started, text, bad=bad)

    def _sent(self) -> dict[str, int]:
        return {device.source: len(device.sent) for device in (self._sensor, self._meters)}

    def _duplicates(self) -> int:
        """From the receiver's last line."""
        found = re.findall(r"duplicates (\d+)", self._stage.receiver.log.read_text())
        return int(found[-1]) if found else 0


def _all_open(report: Report) -> bool:
    return all(source.connected for source in report.sources.values())


def _all_connected(report: Report) -> bool:
    return _all_open(report) and all(sink.connected for sink in report.sinks.values())
