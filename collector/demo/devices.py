"""Simulated devices. Each knows exactly what it sent, which is the truth the audit starts from."""

import asyncio
import math
import os
import pty
import random
import select
import tty
from typing import Final

import aiomqtt
import msgspec

from collector.demo.audit import Key, Sent

FLUSHED_AFTER: Final = 0.3
"""Seconds: whoever opens a serial port throws away what lies in it, so a frame sent in that moment is nobody's."""


class DustSensor:
    """An SDS011 on a pseudo-terminal: ten frames a second, no two with the same values."""

    source: Final = "air"
    interval: Final = 0.1

    def __init__(self) -> None:
        self._master, slave = pty.openpty()
        tty.setraw(slave)
        self.port = os.ttyname(slave)
        # With nobody at the other end the line counts as hung up, and that is how the sensor knows.
        os.close(slave)
        os.set_blocking(self._master, False)
        self._poll = select.poll()
        self._poll.register(self._master, 0)
        self.sent: list[Key] = []
        self.unheard = 0
        """Frames that would have been sent while no process had the port open: nothing can save them."""
        self._used: set[tuple[int, int]] = set()
        self._opened: float | None = None
        self._paused = False
        self._stopped = False

    async def run(self) -> None:
        """Until stopped."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while not self._stopped:
            self._tick(loop.time())
            due = max(due + self.interval, loop.time())
            await asyncio.sleep(due - loop.time())

    def pause(self, paused: bool) -> None:
        """Between two frames. Paused it measures nothing."""
        self._paused = paused

    def stop(self) -> None:
        self._stopped = True

    def close(self) -> None:
        os.close(self._master)

    def truth(self) -> Sent:
        return Sent(self.source, ("pm2_5", "pm10"), self.sent)

    def _tick(self, now: float) -> None:
        if self._poll.poll(0):
            self._opened = None
        elif self._opened is None:
            self._opened = now
        if self._opened is None or now - self._opened < FLUSHED_AFTER:
            self.unheard += 1
            return
        if self._paused:
            return
        pm2_5, pm10 = self._measure(now)
        try:
            written = os.write(self._master, frame(pm2_5, pm10))
        except BlockingIOError:
            written = 0
        # A line that takes no more is one whose reader has stalled: that frame is overrun, not sent.
        if written == 10:
            self.sent.append((pm2_5 / 10, pm10 / 10))
        else:
            self.unheard += 1

    def _measure(self, now: float) -> tuple[int, int]:
        """Tenths of a microgram per cubic metre; a slow wave with noise."""
        while True:
            pm2_5 = 180 + int(90 * math.sin(now / 7) + random.gauss(0, 8))
            pair = pm2_5, pm2_5 + 60 + int(random.expovariate(1 / 40))
            if pair not in self._used:
                self._used.add(pair)
                return pair


def frame(pm2_5: int, pm10: int) -> bytes:
    """An SDS011's measurement, both values in tenths."""
    body = pm2_5.to_bytes(2, "little") + pm10.to_bytes(2, "little") + b"\xa1\x60"
    return b"\xaa\xc0" + body + bytes([sum(body) & 0xFF]) + b"\xab"


class Meters:
    """Fifty messages a second at QoS 1, numbered from 1. Sent is what the local broker has acknowledged."""

    source: Final = "meters"
    interval: Final = 0.02

    def __init__(self, port: int) -> None:
        self.sent: list[Key] = []
        self._port = port
        self._stopped = False

    async def run(self) -> None:
        """Until stopped, never in the middle of a message. Raises aiomqtt.MqttError."""
        loop = asyncio.get_running_loop()
        async with aiomqtt.Client("127.0.0.1", self._port, identifier="demo-meters") as client:
            due = loop.time()
            number = 0
            while not self._stopped:
                number += 1
                payload = {"number": number, "power": round(800 + 300 * math.sin(number / 60), 1)}
                await client.publish(f"meters/{number % 5}", msgspec.json.encode(payload), qos=1)
                self.sent.append((number,))
                due = max(due + self.interval, loop.time() - 1)
                await asyncio.sleep(due - loop.time())

    def stop(self) -> None:
        self._stopped = True

    def truth(self) -> Sent:
        return Sent(self.source, ("number",), self.sent)
