"""The cloud: a subscriber on a bare socket that acknowledges and counts whatever the uplink broker hands it."""

import contextlib
import socket
import threading
import time
from typing import Self

from collector.mqtt.encode import connect, subscribe
from collector.mqtt.packets import Connect
from tests.bench.arrivals import Arrivals

SESSION_SECONDS = 3600


class Counter:
    """Subscribed to everything with a session that outlives the broker's restarts. Counts in a thread of its own."""

    def __init__(self, port: int, expected: int) -> None:
        self.arrivals = Arrivals(expected)
        self.bytes = 0
        """Of PUBLISH packets, as MQTT 5 writes them: what went up, seen from above."""
        self.last = time.monotonic()
        """When a message came last."""
        self.cpu = 0.0
        """Seconds the thread has used."""
        self.subscribed = threading.Event()
        self._port = port
        self._rest = b""
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="counter", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.is_set():
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self._port), 1) as stream:
                self._listen(stream)
            self.subscribed.clear()
            self._ended.wait(0.05)

    def _listen(self, stream: socket.socket) -> None:
        self._rest = b""
        stream.settimeout(0.2)
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        hello = Connect("counter", clean_start=False, session_expiry=SESSION_SECONDS, receive_maximum=65535)
        stream.sendall(connect(hello) + subscribe(1, [("#", 1)]))
        while not self._ended.is_set():
            try:
                data = stream.recv(1 << 20)
            except TimeoutError:
                continue
            if not data:
                return
            acks = self._take(data)
            if acks:
                stream.sendall(acks)
            self.cpu = time.thread_time()

    def _take(self, data: bytes) -> bytes:
        """Counts the whole packets in `data` and returns their PUBACKs."""
        buffer = self._rest + data
        at, end = 0, len(buffer)
        acks = bytearray()
        payloads = []
        while end - at >= 5:  # SUBACK, the shortest that a broker sends us, has six bytes
            length, start = varint(buffer, at + 1)
            stop = start + length
            if stop > end:
                break
            kind = buffer[at] >> 4
            if kind == 3:
                start += 2 + int.from_bytes(buffer[start : start + 2], "big")
                if buffer[at] & 0x06:
                    acks += b"\x40\x02" + buffer[start : start + 2]
                    start += 2
                properties, start = varint(buffer, start)
                payloads.append(buffer[start + properties : stop])
                self.bytes += stop - at
            elif kind == 9:
                self.subscribed.set()
            at = stop
        self._rest = buffer[at:]
        if payloads:
            self.arrivals.take(payloads)
            self.last = time.monotonic()
        return bytes(acks)


def varint(buffer: bytes, at: int) -> tuple[int, int]:
    """The Variable Byte Integer (MQTT 5 §1.5.5) at `at`, and where it ends."""
    value, shift = 0, 0
    while True:
        byte = buffer[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
