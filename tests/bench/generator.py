"""The devices: publishes prebuilt packets over a bare socket, so that it costs next to nothing."""

import socket
import time
from collections.abc import Sequence
from typing import Self

from collector.mqtt.encode import connect
from collector.mqtt.packets import VERSION_3_1_1, Connect
from tests.bench.messages import PACKET_IDS

TIMEOUT = 120.0
CHUNK = 500
PUBACK_BYTES = 4


class Generator:
    """One client; `publish` and `pace` return once the broker has acknowledged everything."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), TIMEOUT)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(connect(Connect("generator"), VERSION_3_1_1))
        if self._receive(4) != 4:
            raise ConnectionError("the broker closed before its CONNACK")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def publish(self, packets: Sequence[bytes]) -> None:
        """As fast as the broker takes them."""
        due = 0
        for at in range(0, len(packets), CHUNK):
            chunk = packets[at : at + CHUNK]
            self._socket.sendall(b"".join(chunk))
            due += len(chunk) * PUBACK_BYTES
            while due > (PACKET_IDS - CHUNK) // 2 * PUBACK_BYTES:
                due -= self._receive(due)
        while due:
            due -= self._receive(due)

    def pace(self, packets: Sequence[bytes], per_second: int) -> list[float]:
        """At even intervals. When each was sent, on the monotonic clock."""
        sent: list[float] = []
        due = 0
        start = time.monotonic()
        for number, packet in enumerate(packets):
            time.sleep(max(0.0, start + number / per_second - time.monotonic()))
            sent.append(time.monotonic())
            self._socket.sendall(packet)
            due += PUBACK_BYTES
            # The answer to the one before is there by now; waiting for this one's would be the pace.
            if due > PUBACK_BYTES:
                due -= self._receive(due)
        while due:
            due -= self._receive(due)
        return sent

    def _receive(self, most: int) -> int:
        data = self._socket.recv(min(most, 65536))
        if not data:
            raise ConnectionError("the source broker closed the connection")
        return len(data)
