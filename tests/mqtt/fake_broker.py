"""A broker that does what a script says, for what a real one never does on demand."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

from collector.mqtt.decode import Decoder
from collector.mqtt.packets import Publish
from collector.mqtt.properties import write as write_properties
from collector.mqtt.properties import write_varint


class Peer:
    """The broker's end of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def packet(self) -> tuple[int, bytes]:
        """First byte and body of the client's next packet."""
        first = (await self._reader.readexactly(1))[0]
        length, place = 0, 0
        while True:
            byte = (await self._reader.readexactly(1))[0]
            length |= (byte & 0x7F) << place
            place += 7
            if byte < 0x80:
                return first, await self._reader.readexactly(length)

    async def expect(self, first: int) -> bytes:
        found, body = await self.packet()
        assert found == first, f"0x{found:02X} came, 0x{first:02X} was due"
        return body

    async def publish(self) -> Publish:
        packet = await self.publish_or_end()
        assert packet is not None, "the client said goodbye"
        return packet

    async def publish_or_end(self) -> Publish | None:
        """None for a DISCONNECT."""
        first, body = await self.packet()
        if first == 0xE0:
            return None
        data = bytes((first,)) + write_varint(len(body)) + body
        (packet,) = Decoder(maximum_packet_size=1 << 28, max_payload=1 << 28).feed(data)
        assert isinstance(packet, Publish)
        return packet

    async def welcome(self, **granted: object) -> None:
        """Takes the CONNECT and answers with a CONNACK of these properties."""
        await self.expect(0x10)
        self.send(0x20, b"\0\0", write_properties(granted))

    def send(self, first: int, *body: bytes) -> None:
        joined = b"".join(body)
        self.raw(bytes((first,)) + write_varint(len(joined)) + joined)

    def raw(self, data: bytes) -> None:
        self._writer.write(data)

    def puback(self, packet_id: int, code: int = 0) -> None:
        self.send(0x40, packet_id.to_bytes(2, "big"), bytes((code,)) if code else b"")

    def reset(self) -> None:
        """RST instead of FIN."""
        self._writer.transport.abort()

    async def bytes(self, count: int) -> bytes:
        return await self._reader.readexactly(count)

    async def gone(self) -> None:
        """Waits until the client has closed."""
        await self.rest()

    async def rest(self) -> bytes:
        """All that the client still sends before it closes."""
        data = b""
        with contextlib.suppress(ConnectionError):
            while more := await self._reader.read(65536):
                data += more
        return data


@contextlib.asynccontextmanager
async def fake_broker(script: Callable[[Peer], Awaitable[None]]) -> AsyncIterator[int]:
    """The port of a broker that plays `script` to each client; what goes wrong in it comes out at the end."""
    failures: list[BaseException] = []
    serving: set[asyncio.Task[None] | None] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.add(asyncio.current_task())
        try:
            await script(Peer(reader, writer))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        except Exception as error:
            failures.append(error)
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        # A script may wait for a client that is gone; left to the garbage collector it would fail a later test.
        for task in serving:
            if task is not None and not task.done():
                task.cancel()
                await asyncio.wait([task])
    assert not failures, failures
