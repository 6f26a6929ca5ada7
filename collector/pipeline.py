"""The whole way in one object: sources into the spool, the spool into sinks, and what is safe back again."""

import asyncio
from datetime import UTC, datetime

from collector import __version__, assembly, figures
from collector.clock import SystemClock
from collector.config.load import Loaded
from collector.control import server
from collector.delivery import SinkDelivery
from collector.devices import Devices
from collector.flash import written_bytes
from collector.intake import SourceIntake
from collector.sandbox.wall import Wall
from collector.spool import departed
from collector.spool.lock import InUse
from collector.spool.spool import Spool
from collector.status.report import ClockReport, Report

DRAIN = 1.0
"""Seconds that sinks get at a stop to settle what is under way; the rest is committed."""


PATIENCE = 4
"""Attempts, a second apart, to get hold of the data directory."""


class Pipeline:
    """`start` opens everything, `run` works until cancelled or the spool fails, `stop` leaves all committed."""

    def __init__(self, loaded: Loaded, clock: SystemClock, wall: Wall, waits_for: str = "") -> None:
        """`waits_for` says what must be mended before it can start."""
        self._opening = waits_for or "opening"
        self._loaded = loaded
        self._clock = clock
        self._wall = wall
        self._spool: Spool | None = None
        self._intakes: list[SourceIntake] = []
        self._deliveries: list[SinkDelivery] = []
        self._running: list[asyncio.Task[None]] = []
        self._collecting: list[asyncio.Task[None]] = []
        self._stopping = False
        self.on_disk = False
        """Opening or closing the spool: the disk may need long, and is at work."""
        self._started = clock.monotonic()
        self._started_at = datetime.now(UTC)

    async def start(self) -> None:
        """Raises SpoolError or ConfigurationError. Without sinks there is no spool."""
        if self._loaded.configuration.sinks:
            self.on_disk = True
            try:
                self._spool = await self._open_spool()
            finally:
                self.on_disk = False
            departed.announce(self._spool.tail.state)
        devices = Devices()
        try:
            self._intakes = assembly.sources(self._loaded, self._spool, self._clock, devices)
            if self._spool is not None:
                self._deliveries = assembly.sinks(self._loaded, self._spool, self._clock, devices)
        except BaseException:
            if self._spool is not None:
                await self._spool.close()
            raise
        self._opening = ""

    async def run(self) -> None:
        """Raises what ends any part: only the spool's failures do, and bugs."""
        self._collecting = [asyncio.create_task(intake.run(), name=intake.name) for intake in self._intakes]
        self._running = [asyncio.create_task(delivery.run(), name=delivery.name) for delivery in self._deliveries]
        if self._spool is not None:
            self._running.append(asyncio.create_task(self._spool.run(), name="spool"))
            control = server.serve(self._spool, self._loaded.configuration.collector.id)
            self._running.append(asyncio.create_task(control, name="control"))
        tasks = self._collecting + self._running
        if not tasks:
            await asyncio.Event().wait()
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()

    async def _open_spool(self) -> Spool:
        """Gives a command of `spool`, which may hold the directory, some seconds to end."""
        configuration = self._loaded.configuration
        for patience in reversed(range(PATIENCE)):
            try:
                return await Spool.open(
                    configuration.spool,
                    configuration.collector.data_dir,
                    self._clock,
                    sinks=list(configuration.sinks),
                    windows=assembly.windows(configuration),
                    on_safe=self._safe,
                    on_held_back=self._hold_back,
                )
            except InUse:
                if not patience:
                    raise
                await asyncio.sleep(1.0)
        raise AssertionError("unreachable")

    async def stop(self) -> None:
        """Stops reading, commits what is not delivered, acknowledges it, then closes sources and sinks."""
        self._stopping = self.on_disk = True
        for intake in self._intakes:
            intake.source.pause(True)
        spool = self._spool
        try:
            if spool is not None and not any(task.done() for task in self._running):
                await self._drain(spool)
                await spool.commit()
        finally:
            await _end(self._collecting)
            await _end(self._running)
            if spool is not None:
                await spool.close()

    async def _drain(self, spool: Spool) -> None:
        """Gives sinks that are up a moment, so that an ordinary restart commits little."""
        spool.flush()
        deadline = self._clock.monotonic() + DRAIN
        while spool.waiting() and self._clock.monotonic() < deadline:
            if any(delivery.state != "connected" for delivery in self._deliveries):
                return
            await asyncio.sleep(0.02)

    def _safe(self, through: int) -> None:
        for intake in self._intakes:
            intake.safe(through)

    def _hold_back(self, held_back: bool) -> None:
        """Sources that hand over the same again can wait; what the others read the spool takes or counts."""
        if self._stopping:
            return
        for intake in self._intakes:
            if intake.source.window:
                intake.source.pause(held_back)

    @property
    def started(self) -> bool:
        """The spool is open, and every source's first attempt has ended, one way or the other."""
        return not self._opening and all(intake.attempted for intake in self._intakes)

    @property
    def alive(self) -> bool:
        """As `/livez`, for whoever runs in the same event loop."""
        return all(check.ok for check in figures.alive(self._spool, self._clock.monotonic()))

    def report(self) -> Report:
        """The figures of the moment."""
        configuration = self._loaded.configuration
        spool = self._spool
        uptime = self._clock.monotonic() - self._started
        return Report(
            collector=configuration.collector.id,
            version=__version__,
            epoch=spool.tail.state.epoch if spool is not None else "",
            started=self._started_at.isoformat(timespec="seconds").replace("+00:00", "Z"),
            uptime_seconds=uptime,
            clock=ClockReport(
                self._clock.synchronised(), self._clock.steps, spool.dating.wait if spool is not None else 0.0
            ),
            spool=figures.of_spool(spool, configuration.spool.max_bytes, self._opening),
            flash=figures.of_flash(written_bytes(), sum(intake.readings_seen for intake in self._intakes), uptime),
            sources={
                intake.name: figures.of_source(intake, configuration.sources[intake.name], spool)
                for intake in self._intakes
            },
            sinks={
                delivery.name: figures.of_sink(delivery, configuration.sinks[delivery.name], spool)
                for delivery in self._deliveries
                if spool is not None
            }
            | figures.of_departed(spool),
            sandbox=figures.of_sandbox(self._wall),
            ready=figures.ready(self._intakes, spool, self._opening, self._wall),
            alive=figures.alive(spool, self._clock.monotonic()),
        )


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    """Cancels and waits; what a task raises here has been seen by `run` or comes of the stop itself."""
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)
