"""Delivers to a file of JSON lines, one a reading; a line counts once fsync has returned."""

import asyncio

from collector.contracts import Outcome
from collector.errors import SinkError
from collector.segment import Part
from collector.sinks import wire
from collector.sinks.json_lines import JsonLines, Line


class FileSink:
    concurrency = 1
    whole = False
    note = ""

    def __init__(self, lines: JsonLines, collector: str) -> None:
        self._lines = lines
        self._collector = collector

    async def open(self) -> None:
        """That the file opens says nothing of the room on its disk: the first write does."""
        try:
            await asyncio.to_thread(self._lines.open)
        except OSError as error:
            raise SinkError(self._fault(error)) from error

    async def deliver(self, part: Part) -> Outcome:
        epoch = part.segment.epoch
        lines = [
            Line(reading.seq, wire.single(self._collector, epoch, reading) + b"\n") for reading in wire.readings(part)
        ]
        try:
            await asyncio.to_thread(self._lines.append, epoch, lines)
        except OSError as error:
            return Outcome("retry", reason=self._fault(error))
        return Outcome()

    async def close(self) -> None:
        """Waits for a write under way, whose delivery may have been cancelled."""
        await asyncio.to_thread(self._lines.close)

    def _fault(self, error: OSError) -> str:
        return f"{error.filename or self._lines.path}: {error.strerror or error}"
