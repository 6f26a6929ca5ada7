"""Between the data path and whatever reads the log: a bounded queue and a thread that alone may wait."""

import logging
import threading
from collections import deque

from collector.log import events
from collector.log.destination import Destination
from collector.log.formats import Format
from collector.log.rate import RateLimit

QUEUE_BYTES = 256 * 1024
"""Of lines that wait for a reader; then the oldest go, counted."""

FLUSH = 1.0
"""Seconds that the last lines get at a stop."""


class QueueHandler(logging.Handler):
    """`emit` formats and queues, and never waits. A thread rather than O_NONBLOCK and the event loop: stderr
    is shared with whoever started us, who would find it non-blocking too, and a file knows no readiness.
    """

    def __init__(self, destination: Destination, format: Format, limit: RateLimit | None = None) -> None:
        super().__init__()
        self._destination = destination
        self._to_bytes = format
        self._limit = limit or RateLimit()
        self._lines: deque[bytes] = deque()
        self._bytes = 0
        self._dropped = 0
        self._ending = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._write, name="log", daemon=True)

    def start(self) -> None:
        """From here on lines leave; those that came before wait for it."""
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        suppressed = self._limit.admit(record)
        if suppressed is None:
            return
        try:
            line = self._to_bytes(record, suppressed)
        except Exception:
            # A line that cannot be formatted is a bug of ours, and no reason to write to stderr from here.
            with self._changed:
                self._dropped += 1
            return
        with self._changed:
            self._lines.append(line)
            self._bytes += len(line)
            while self._bytes > QUEUE_BYTES:
                self._bytes -= len(self._lines.popleft())
                self._dropped += 1
            self._changed.notify()

    def close(self) -> None:
        """Gives the last lines a moment; a reader that does not read keeps nobody from stopping."""
        with self._changed:
            self._ending = True
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join(FLUSH)
        if not self._thread.is_alive():
            self._destination.close()
        super().close()

    def _write(self) -> None:
        while (line := self._next()) is not None:
            try:
                self._destination.write(line)
                self._tell_dropped()
            except OSError:
                with self._changed:
                    self._dropped += 1

    def _next(self) -> bytes | None:
        with self._changed:
            while not self._lines:
                if self._ending:
                    return None
                self._changed.wait()
            line = self._lines.popleft()
            self._bytes -= len(line)
            return line

    def _tell_dropped(self) -> None:
        """Behind the first line that gets through again."""
        with self._changed:
            dropped, self._dropped = self._dropped, 0
        if not dropped:
            return
        event = events.LOG_DROPPED
        record = logging.LogRecord(
            events.LOGGER, event.level, __file__, 0, "log: %d lines lost while nobody read them", (dropped,), None
        )
        record.event, record.labels = event, {"dropped": dropped}
        try:
            self._destination.write(self._to_bytes(record, 0))
        except OSError:
            with self._changed:
                self._dropped += dropped
