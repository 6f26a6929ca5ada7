"""When to ask a quiet broker for a sign of life, and when silence means that it is gone. Pure.

MQTT itself allows for one and a half keep-alive intervals (§3.1.2.10), 45 s by default. We ask earlier, so that a
half-open connection is seen in a third of an interval; what round trips and slow lines need comes on top.
"""

from typing import Final

ASK: Final = 1 / 6
ANSWER: Final = 1 / 3
"""Parts of the keep-alive interval: after how much quiet we ask, and how much silence ends the connection."""

ROUND_TRIPS: Final = 6
"""How many of its own round trips a far broker may be silent: one, and what TCP needs to repeat a lost packet."""


class Keepalive:
    """`interval` in seconds is what CONNECT carries, 0 for never; `now` is monotonic time."""

    def __init__(self, interval: float, now: float) -> None:
        self._quiet = interval * ASK
        self.patience = interval * ANSWER
        """Seconds of silence that end the connection; also for TCP, where bytes of ours stay unacknowledged."""
        self._sent = self._heard = now
        self._asked: float | None = None

    @property
    def never(self) -> bool:
        return not self._quiet

    def opened(self, round_trip: float, server_keep_alive: int | None) -> None:
        """`round_trip`: CONNECT to CONNACK, in seconds; the broker may want to hear more of us (§3.2.2.3.14)."""
        self.patience = max(self.patience, ROUND_TRIPS * round_trip)
        if server_keep_alive:
            self._quiet = min(self._quiet or server_keep_alive, server_keep_alive / 2)
            self.patience = self.patience or server_keep_alive

    def sent(self, now: float) -> None:
        self._sent = now

    def heard(self, now: float) -> None:
        self._heard = now
        self._asked = None

    def asked(self, now: float) -> None:
        self._sent = now
        if self._asked is None:
            self._asked = now

    def ask(self, now: float) -> bool:
        """When either side was quiet: a steady stream of ours must not hide that nobody answers it."""
        return now >= self._due()

    def silence(self, now: float) -> float:
        """Seconds since the broker was heard."""
        return now - self._heard

    def expired(self, now: float) -> bool:
        """A broker that was asked late still has half its time."""
        return now >= self._end()

    def next(self, now: float) -> float:
        """Seconds until one of the two may become true."""
        return max(0.0, min(self._due(), self._end()) - now)

    def _due(self) -> float:
        return (self._sent if self._asked is not None else min(self._sent, self._heard)) + self._quiet

    def _end(self) -> float:
        if self._asked is None:
            return float("inf")
        return max(self._heard + self.patience, self._asked + self.patience / 2)
