"""A bad line: a TCP way to a port that stalls, dribbles, crawls and breaks as its attributes say at the moment."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator


class FaultProxy:
    """Set the attributes at any time, from any thread."""

    def __init__(self) -> None:
        self.port = 0
        self.target = 0
        """Nothing listens on port 0: every connection is reset until this is set."""
        self.connections = 0
        self.stalled = False
        """Nothing goes through in either direction; everything goes on where it was."""
        self.rate: float | None = None
        """Bytes a second, each way."""
        self.delay = 0.0
        """Seconds that everything takes, each way, however much it is."""
        self.piece = 65536
        """Most bytes that go through at once."""
        self.close_at_once = False
        """End each connection once the client has sent something."""
        self.reset_after: int | None = None
        """Bytes from the client after which a connection is reset, whatever it was in the middle of."""

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator["FaultProxy"]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return
        ways = [
            asyncio.create_task(self._carry(reader, far_writer, outbound=True)),
            asyncio.create_task(self._carry(far_reader, writer, outbound=False)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            if self.reset_after is not None:
                _reset(writer)
            for end in (writer, far_writer):
                end.close()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, outbound: bool) -> None:
        carried = 0
        loop = asyncio.get_running_loop()
        with contextlib.suppress(OSError):
            while data := await reader.read(self.piece):
                if self.delay:
                    loop.call_later(self.delay, writer.write, data)
                    continue
                while self.stalled:  # noqa: ASYNC110 (set from another thread)
                    await asyncio.sleep(0.02)
                if outbound and self.close_at_once:
                    return
                if outbound and self.reset_after is not None and carried + len(data) >= self.reset_after:
                    writer.write(data[: self.reset_after - carried])
                    await writer.drain()
                    return
                carried += len(data)
                if self.rate is not None:
                    await asyncio.sleep(len(data) / self.rate)
                writer.write(data)
                await writer.drain()


def _reset(writer: asyncio.StreamWriter) -> None:
    """RST instead of FIN."""
    with contextlib.suppress(OSError):
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
