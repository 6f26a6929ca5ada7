"""Keep-alive on the event loop's clock: `Keepalive` decides, this sends and listens."""

import asyncio
from collections.abc import Callable

from collector.mqtt.keepalive import PATIENCE, Keepalive


class Heartbeat:
    """Beats from `start` to `stop`. `ping` sends a PINGREQ; `dead` hears that nothing answers any more."""

    def __init__(self, interval: float, *, ping: Callable[[], None], dead: Callable[[str], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._keepalive = Keepalive(interval, self._loop.time())
        self._ping = ping
        self._dead = dead
        self._timer: asyncio.TimerHandle | None = None
        self.deaf = False
        """We do not read: the broker's answers lie in the socket unseen, and that is our silence, not its."""

    def start(self, server_keep_alive: int | None) -> None:
        if server_keep_alive is not None:
            self._keepalive.interval = server_keep_alive
        self._beat()

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def sent(self) -> None:
        self._keepalive.sent(self._loop.time())

    def heard(self) -> None:
        self._keepalive.heard(self._loop.time())

    def _beat(self) -> None:
        if not self._keepalive.interval:
            return
        now = self._loop.time()
        if self.deaf:
            self._keepalive.heard(now)
        if self._keepalive.expired(now):
            self._dead(f"no answer to a ping within {PATIENCE * self._keepalive.interval:g} s")
            return
        if self._keepalive.ping_due(now):
            self._keepalive.pinged(now)
            self._ping()
        self._timer = self._loop.call_later(self._keepalive.next(now), self._beat)
