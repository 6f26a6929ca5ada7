"""When each of many devices on one line is asked next. Pure: it is told the time."""

from collections.abc import Sequence
from dataclasses import dataclass

SPREAD = 60.0
"""Seconds over which the first questions are spread at most: nobody waits an hour for a first reading."""

LEAST_BACKOFF, MOST_BACKOFF = 5.0, 60.0
"""Seconds without a question to a device that did not answer; doubled from failure to failure."""


@dataclass(slots=True)
class _Entry:
    interval: float
    origin: float
    """The beats are `origin`, `origin + interval`, and so on; nothing drifts."""
    due: float
    failures: int = 0


class Schedule:
    """The device that is due for longest is the next, so none starves: each other goes ahead of it once at most.

    Beats that pass while a device waits are skipped, not made up for: a line that is too slow for what is asked of it
    makes every device slower and no queue longer.
    """

    def __init__(self, intervals: Sequence[float], now: float) -> None:
        self._entries = []
        for place, interval in enumerate(intervals):
            first = now + min(interval, SPREAD) * place / len(intervals)
            self._entries.append(_Entry(interval, first, first))

    def next(self) -> tuple[int, float]:
        """Which device, and from when on it may be asked."""
        place = min(range(len(self._entries)), key=lambda one: self._entries[one].due)
        return place, self._entries[place].due

    def answered(self, place: int, now: float) -> None:
        """All that was asked has been answered: on the next beat again."""
        entry = self._entries[place]
        entry.failures = 0
        entry.due = self._beat(entry, now)

    def again(self, place: int, at: float) -> None:
        """The same is to be asked again, but not before `at`; others may come first."""
        self._entries[place].due = at

    def failed(self, place: int, now: float) -> None:
        """It does not answer: it costs its time-out only now and then, until it does."""
        entry = self._entries[place]
        entry.failures += 1
        rest = min(MOST_BACKOFF, LEAST_BACKOFF * 2.0 ** min(entry.failures - 1, 16))
        entry.due = self._beat(entry, now + max(0.0, rest - entry.interval))

    def silent(self, place: int) -> bool:
        """Whether it did not answer the last time: one attempt is enough to see whether it is back."""
        return self._entries[place].failures > 0

    @staticmethod
    def _beat(entry: _Entry, after: float) -> float:
        """The first beat later than `after`."""
        beats = max(0.0, after - entry.origin) // entry.interval + 1
        return entry.origin + beats * entry.interval
