"""How often one event about one subject may be logged; the rest is counted and told with the next line."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

from collector.log.events import Event

BURST = 10
"""Lines that a library may log at once."""

REFILL = 6.0
"""Seconds until there may be one line more."""


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float
    suppressed: int = 0


class RateLimit:
    """A token bucket for each event and subject. Their number is bounded: both come from the configuration."""

    def __init__(self, now: Callable[[], float] = monotonic) -> None:
        self._now = now
        self._buckets: dict[tuple[str, str], _Bucket] = {}

    def admit(self, record: logging.LogRecord) -> int | None:
        """How many lines like this one were left out since the last; None when this one is to be left out too."""
        now = self._now()
        event: Event | None = getattr(record, "event", None)
        burst = event.burst if event is not None else BURST
        bucket = self._buckets.setdefault(_subject(record, event), _Bucket(burst, now))
        bucket.tokens = min(burst, bucket.tokens + (now - bucket.at) / REFILL)
        bucket.at = now
        if bucket.tokens < 1.0:
            bucket.suppressed += 1
            return None
        bucket.tokens -= 1.0
        suppressed, bucket.suppressed = bucket.suppressed, 0
        return suppressed


def _subject(record: logging.LogRecord, event: Event | None) -> tuple[str, str]:
    """What a library logs has no event; its logger stands for it."""
    labels = getattr(record, "labels", {})
    return (event.code if event is not None else record.name), str(labels.get("source", labels.get("sink", "")))
