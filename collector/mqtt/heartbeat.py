"""Whether the broker still answers: `Keepalive` on the event loop's clock, and a look at what waits for its PUBACK."""

import asyncio
from collections.abc import Callable
from typing import Final

from collector.mqtt import tcp
from collector.mqtt.keepalive import Keepalive
from collector.mqtt.outbox import Outbox
from collector.mqtt.packets import Connack

STUCK: Final = 60.0
"""Seconds that one message may wait for its PUBACK from a broker that answers everything else."""

SLOWEST: Final = 1000
"""Bytes a second of the slowest line that is waited for: nothing is heard while one large message crawls over it."""


class Heartbeat:
    """Beats from `start` to `stop`. `ping` sends a PINGREQ; `dead` hears that nothing answers any more."""

    def __init__(self, interval: float, *, ping: Callable[[], None], dead: Callable[[str], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._keepalive = Keepalive(interval, self._loop.time())
        self._ping = ping
        self._dead = dead
        self._transport: asyncio.Transport
        self._outbox: Outbox
        self._timer: asyncio.TimerHandle | None = None
        self._oldest: object = None
        self._oldest_since = 0.0
        self.deaf = False
        """We do not read: the broker's answers lie in the socket unseen, and that is our silence, not its."""

    def start(self, transport: asyncio.Transport, outbox: Outbox, connack: Connack, round_trip: float) -> None:
        """`round_trip`: what CONNACK took to come, in seconds."""
        self._transport, self._outbox = transport, outbox
        self._keepalive.opened(round_trip, connack.server_keep_alive)
        # Before our own patience ends, the kernel's does: it knows whether the line or the broker is dead.
        tcp.give_up_after(transport, self._keepalive.patience)
        self._beat(self._loop.time())

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def sent(self) -> None:
        self._keepalive.sent(self._loop.time())

    def heard(self) -> None:
        self._keepalive.heard(self._loop.time())

    def _beat(self, due: float) -> None:
        keepalive = self._keepalive
        if keepalive.never:
            return
        now = self._loop.time()
        oldest = self._outbox.oldest
        if self.deaf or now - due > keepalive.patience / 4:
            # Who was stopped himself finds the answers in the socket, behind this beat.
            keepalive.heard(now)
            self._oldest_since = now
        if oldest is None or oldest is not self._oldest:
            self._oldest, self._oldest_since = oldest, now
        if keepalive.expired(now) and not self._excused(keepalive.silence(now) - keepalive.patience):
            self._dead(f"no answer for {keepalive.patience:g} s")
        elif now - self._oldest_since >= STUCK and not self._excused(now - self._oldest_since - STUCK):
            self._dead(f"no acknowledgement of a message for {STUCK:g} s")
        else:
            if keepalive.ask(now):
                keepalive.asked(now)
                self._ping()
            wait = keepalive.next(now) or keepalive.patience / 20
            self._timer = self._loop.call_later(wait, self._beat, now + wait)

    def _excused(self, overdue: float) -> bool:
        """What has not arrived cannot be answered: the kernel's own patience judges that."""
        return tcp.under_way(self._transport) or overdue < self._outbox.largest / SLOWEST
