"""When to send PINGREQ, and when silence means that the broker is gone (MQTT 5 §3.1.2.10). Pure."""

from typing import Final

PATIENCE: Final = 1.5
"""How many intervals the answer to a PINGREQ may take, as brokers grant to clients."""


class Keepalive:
    """`interval` in seconds, 0 for never; `now` is monotonic time."""

    def __init__(self, interval: float, now: float) -> None:
        self.interval = interval
        self._sent = self._heard = now
        self._pinged: float | None = None

    def sent(self, now: float) -> None:
        self._sent = now

    def heard(self, now: float) -> None:
        self._heard = now
        self._pinged = None

    def pinged(self, now: float) -> None:
        self._sent = now
        if self._pinged is None:
            self._pinged = now

    def ping_due(self, now: float) -> bool:
        """When either side was quiet: a steady stream of ours must not hide that nobody answers it."""
        quiet = self._sent if self._pinged is not None else min(self._sent, self._heard)
        return now >= quiet + self.interval

    def expired(self, now: float) -> bool:
        return self._pinged is not None and now >= self._pinged + PATIENCE * self.interval

    def next(self, now: float) -> float:
        """Seconds until one of the two may become true."""
        quiet = self._sent if self._pinged is not None else min(self._sent, self._heard)
        due = quiet + self.interval
        if self._pinged is not None:
            due = min(due, self._pinged + PATIENCE * self.interval)
        return max(0.0, due - now)
