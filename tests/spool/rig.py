"""A spool on a real directory, with a clock turned by hand and a crash that leaves what SIGKILL would."""

import contextlib
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from collector.config.model import SpoolSection
from collector.contracts import Outcome
from collector.reading import Reading
from collector.segment import Segment
from collector.spool.filling import Origin
from collector.spool.spool import Spool
from tests.spool.clock import HandClock


class Rig:
    def __init__(
        self, directory: Path, *, sinks: Sequence[str] = ("cloud",), section: SpoolSection | None = None
    ) -> None:
        self.directory = directory
        self.sinks = sinks
        self.section = section or SpoolSection()
        self.clock = HandClock()
        self.safe = 0
        self.held_back: list[bool] = []
        self.spool: Spool

    async def open(self, *, ready: bool = True) -> Spool:
        self.spool = await Spool.open(
            self.section,
            self.directory,
            self.clock,
            sinks=self.sinks,
            windows={"meter": 1000},
            on_safe=self._safe,
            on_held_back=self.held_back.append,
        )
        for sink in self.sinks:
            self.spool.ready(sink, ready)
        return self.spool

    async def crash(self) -> None:
        """Lets go as the kernel would for a killed process: nothing is flushed, sealed or committed."""
        if self.spool._seal_timer is not None:
            self.spool._seal_timer.cancel()
        await self.spool.database.close()
        (self.directory / "spool.sqlite3-wal").touch()
        self.spool.journal.close()
        os.close(self.spool._lock_fd)

    def append(self, values: Sequence[int], *, tokens: bool = True, size: int = 10) -> int:
        """One reading a message; token and fingerprint follow from the value."""
        readings = [Reading(0, "meter", "m1", 1, "synced", {"n": value}) for value in values]
        origins = [Origin(value if tokens else 0, value * 31 if tokens else 0, 1) for value in values]
        return self.spool.append("meter", readings, origins, size * len(values))

    async def deliver(self, sink: str = "cloud", count: int = 1) -> list[Segment]:
        segments = [await self.spool.next(sink) for _ in range(count)]
        for segment in segments:
            for part in self.spool.parts(sink, segment):
                self.spool.settle(sink, part, Outcome())
        return segments

    def query(self, sql: str) -> list[Any]:
        """What stands on the disk at this moment; the spool itself keeps its database locked."""
        with tempfile.TemporaryDirectory() as folder:
            for file in self.directory.glob("spool.sqlite3*"):
                shutil.copy(file, folder)
            with contextlib.closing(sqlite3.connect(f"{folder}/spool.sqlite3")) as connection:
                return connection.execute(sql).fetchall()

    def alter(self, script: str) -> None:
        """Changes what stands on the disk while no spool has it open."""
        with contextlib.closing(sqlite3.connect(self.directory / "spool.sqlite3", isolation_level=None)) as connection:
            connection.executescript(script)

    def remainder(self, sink: str = "cloud") -> int:
        s = self.spool.tail.state.sinks[sink]
        return s.received - s.delivered - s.pending - sum(s.dropped.values()) - s.dead

    def _safe(self, through: int) -> None:
        self.safe = through


def values(segment: Segment) -> list[int]:
    return [reading.fields["n"] for reading in segment.readings()]
