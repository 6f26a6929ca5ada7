"""What the service manager is told of the daemon's life: starting, ready, at work, ending."""

import asyncio
import time
from collections.abc import Callable
from typing import Final, Literal

from collector.clock import Clock
from collector.figures import summary
from collector.pipeline import Pipeline
from collector.service.notify import Notifier

LOOK = 0.1
"""Seconds between looks at whether the daemon is ready."""

SPEAK = 10.0
"""Seconds between two messages at most; a watchdog hears of us three times while it waits once."""

EXTENSION = 3 * SPEAK
"""Seconds that each message asks for while the disk is at work."""

LIMIT: Final = {"starting": 3600.0, "ending": 600.0}
"""Seconds after which no more are asked for: a salvage reads every page, a stop has some MiB to write."""


class Lifecycle:
    """Ready is told once, life as often as the watchdog wants it, and only while there is life to tell of."""

    def __init__(self, notifier: Notifier, clock: Clock, pipeline: Callable[[], Pipeline]) -> None:
        self._notifier = notifier
        self._clock = clock
        self._pipeline = pipeline
        self._stage: Literal["starting", "working", "ending"] = "starting"
        self._since = clock.monotonic()
        self._pace = min(SPEAK, notifier.watchdog / 3) if notifier.watchdog else SPEAK
        self._next = self._since
        self._note = ""
        self._back = True
        """Whether the service manager knows that no reload is under way."""
        self._readings: int | None = None
        self._readings_at = self._since

    @property
    def managed(self) -> bool:
        return self._notifier.listening

    async def run(self) -> None:
        """Until cancelled; returns at once where nobody listens."""
        while self._notifier.listening:
            self.look()
            await asyncio.sleep(LOOK if self._stage == "starting" else self._pace)

    def look(self) -> None:
        """Tells what is to be told now."""
        now = self._clock.monotonic()
        if self._stage == "starting" and self._pipeline().started and self._notifier.tell(READY=1):
            self._enter("working")
        if not self._back:
            self._back = self._notifier.tell(READY=1)
        if now >= self._next:
            self._next = now + self._pace
            self._speak(now)

    def reloading(self) -> None:
        if self._stage == "working":
            self._notifier.tell(RELOADING=1, MONOTONIC_USEC=time.monotonic_ns() // 1000)

    def reloaded(self, note: str = "") -> None:
        """The reload is over as far as the service manager is concerned; `note` is shown until the end."""
        self._note = note
        if self._stage == "working":
            self._back = self._notifier.tell(READY=1)
        self._speak(self._clock.monotonic())

    def ending(self) -> None:
        if self._stage != "ending":
            self._back = True
            self._enter("ending")
            self._notifier.tell(STOPPING=1)
            self._speak(self._since)

    def failed(self, line: str) -> None:
        """The last that is heard, and what `systemctl status` shows from then on."""
        self._notifier.tell(STATUS=line)

    def _enter(self, stage: Literal["working", "ending"]) -> None:
        self._stage, self._since = stage, self._clock.monotonic()
        self._next = 0.0  # at once

    def _speak(self, now: float) -> None:
        pipeline = self._pipeline()
        said: dict[str, str | int] = {"STATUS": self._status(now)}
        if self._stage == "working":
            if pipeline.alive:
                said["WATCHDOG"] = 1
        elif pipeline.on_disk and now - self._since < LIMIT[self._stage]:
            said["EXTEND_TIMEOUT_USEC"] = round(EXTENSION * 1e6)
        self._notifier.tell(**said)

    def _status(self, now: float) -> str:
        report = self._pipeline().report()
        readings = sum(source.readings for source in report.sources.values())
        elapsed = now - self._readings_at
        rate = max(0, readings - (self._readings or readings)) / elapsed if elapsed > 0 else 0.0
        self._readings, self._readings_at = readings, now
        doing = "" if self._stage == "working" else f"{self._stage}: "
        return f"{doing}{summary(report, rate)}{self._note and f'; {self._note}'}"
