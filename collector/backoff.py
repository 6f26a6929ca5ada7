"""Exponential back-off with full jitter, forgotten only after a stable minute."""

import random
from collections.abc import Callable

STABLE = 60.0
"""Seconds a connection must hold before the next failure starts from the minimum again."""


class Backoff:
    """Delays in seconds, drawn evenly from the minimum up to a ceiling that doubles from failure to failure."""

    def __init__(
        self,
        minimum: float,
        maximum: float,
        *,
        now: Callable[[], float],
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._minimum = minimum
        self._maximum = max(minimum, maximum)
        self._now = now
        self._draw = draw
        self._failures = 0
        self._up_since: float | None = None

    def succeeded(self) -> None:
        """The connection stands; a stable minute from here clears the failures."""
        if self._up_since is None:
            self._up_since = self._now()

    def failed(self, at_least: float = 0.0) -> float:
        """Seconds to wait before the next attempt; `at_least` is what the far end asked for (capped at maximum)."""
        if self._up_since is not None and self._now() - self._up_since >= STABLE:
            self._failures = 0
        self._up_since = None
        ceiling = min(self._maximum, self._minimum * 2.0 ** min(self._failures + 1, 32))
        self._failures += 1
        delay = self._minimum + self._draw() * max(0.0, ceiling - self._minimum)
        return float(max(delay, min(at_least, self._maximum)))
