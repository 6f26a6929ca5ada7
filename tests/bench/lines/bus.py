"""Many Modbus slaves on one RS-485 bus, byte by byte as slow as the real one: a process of its own on a pty."""

import os
import select
import time
import tty
from dataclasses import dataclass
from multiprocessing import Event, Process, Queue

from collector.profiles.modbus import adu
from collector.profiles.modbus.pdu import Request

CHARACTER_BITS = 10
SILENCE = 3.5
"""Characters between two frames."""
REQUEST = 8


@dataclass
class Traffic:
    """What the slaves have seen of the master."""

    transactions: int = 0
    needed: float = 0.0
    """Seconds that these transactions take at the least, with the silences the standard asks for."""
    seconds: float = 0.0
    too_early: int = 0
    """Requests that came before the bus had been silent: a real slave would not have heard them."""

    @property
    def share(self) -> float:
        return self.needed / self.seconds


class SlowBus:
    """Slaves `1` to `count`; any register is 0. `port` is the master's end."""

    def __init__(self, count: int, baudrate: int) -> None:
        self._master, slave = os.openpty()
        tty.setraw(slave)
        self.port = os.ttyname(slave)
        self._keep = slave
        self._measured: Queue[Traffic] = Queue()
        self._begin, self._end = Event(), Event()
        self._process = Process(target=self._serve, args=(count, CHARACTER_BITS / baudrate), daemon=True)
        self._process.start()

    def measure(self, seconds: float) -> Traffic:
        self._begin.set()
        time.sleep(seconds)
        self._end.set()
        return self._measured.get(timeout=30)

    def close(self) -> None:
        self._process.terminate()
        self._process.join(10)
        os.close(self._master)
        os.close(self._keep)

    def _serve(self, count: int, character: float) -> None:
        traffic, began, silent_since = Traffic(), 0.0, 0.0
        while True:
            if self._begin.is_set() and not began:
                traffic, began = Traffic(), time.monotonic()
            if self._end.is_set():
                traffic.seconds = time.monotonic() - began
                self._measured.put(traffic)
                return
            if not select.select([self._master], [], [], 0.5)[0]:
                continue
            came = time.monotonic()
            frame = os.read(self._master, 4096)
            # Timers of the simulation are late by tens of microseconds.
            traffic.too_early += came < silent_since + SILENCE * character - 0.0002
            address, asked = frame[0], adu.request(frame)
            _until(came + (REQUEST + SILENCE) * character)
            silent_since = self._answer(address, asked, character) if 1 <= address <= count else time.monotonic()
            traffic.transactions += 1
            traffic.needed += (REQUEST + adu.RTU_AROUND + asked.reply_size + 2 * SILENCE) * character

    def _answer(self, address: int, asked: Request, character: float) -> float:
        """Byte by byte; returns when the last one had gone over the line."""
        reply = adu.rtu(address, bytes([asked.function, 2 * asked.quantity]) + bytes(2 * asked.quantity))
        began = time.monotonic()
        for at in range(len(reply)):
            _until(began + (at + 1) * character)
            os.write(self._master, reply[at : at + 1])
        return time.monotonic()


def _until(moment: float) -> None:
    if (rest := moment - time.monotonic()) > 0:
        time.sleep(rest)
