"""A broker with one message after another for its one subscriber, which knows what the subscriber acknowledged."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

WINDOW = 20
"""Messages under way, as Mosquitto has it."""


class Source:
    """MQTT 5, QoS 1, a session that outlives every connection: what is not acknowledged is sent again."""

    def __init__(self) -> None:
        self.port = 0
        self.rate = 0.0
        """Messages a second; 0 is a pause."""
        self.acknowledged: set[int] = set()
        self.connected = False
        self._next = 0
        self._under_way: dict[int, int] = {}
        """Packet identifier to number."""

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator["Source"]:
        server = await asyncio.start_server(self._serve, "127.0.0.1")
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        publishing = None
        try:
            while True:
                first, body = await _packet(reader)
                if first == 0x10:
                    _send(writer, 0x20, bytes((self._next > 0, 0, 0)))
                elif first == 0x82:
                    _send(writer, 0x90, body[:2] + b"\0\x01")
                elif first == 0x40:
                    number = self._under_way.pop(int.from_bytes(body[:2], "big"), None)
                    if number is not None and body[2:3] in (b"", b"\0"):
                        self.acknowledged.add(number)
                elif first == 0xC0:
                    _send(writer, 0xD0, b"")
                elif first == 0xE0:
                    return
                if publishing is None and (first == 0x82 or (first == 0x10 and self._next > 0)):
                    publishing = asyncio.create_task(self._publish(writer))
                    self.connected = True
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self.connected = False
            if publishing is not None:
                publishing.cancel()
            writer.transport.abort()

    async def _publish(self, writer: asyncio.StreamWriter) -> None:
        for identifier, number in self._under_way.items():
            _publish(writer, 0x3A, identifier, number)
        while True:
            await asyncio.sleep(1 / self.rate if self.rate else 0.1)
            if self.rate and len(self._under_way) < WINDOW:
                identifier = self._next % 65535 + 1
                self._under_way[identifier] = self._next
                _publish(writer, 0x32, identifier, self._next)
                self._next += 1


async def _packet(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    first = (await reader.readexactly(1))[0]
    length = place = 0
    while True:
        byte = (await reader.readexactly(1))[0]
        length |= (byte & 0x7F) << place
        place += 7
        if byte < 0x80:
            return first, await reader.readexactly(length)


def _publish(writer: asyncio.StreamWriter, first: int, identifier: int, number: int) -> None:
    payload = b'{"n": %d}' % number
    _send(writer, first, b"\0\x08meters/a" + identifier.to_bytes(2, "big") + b"\0" + payload)


def _send(writer: asyncio.StreamWriter, first: int, body: bytes) -> None:
    assert len(body) < 0x80
    writer.write(bytes((first, len(body))) + body)
