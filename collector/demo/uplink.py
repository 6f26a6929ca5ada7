"""The network between collector and cloud: a TCP forwarder that can be cut."""

import asyncio
import contextlib


class Uplink:
    """Listens on a port of 127.0.0.1 and passes everything on to another. Cut, it drops what is under way."""

    def __init__(self, port: int, target: int) -> None:
        self.port = port
        self.up = True
        self._target = target
        self._open: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)

    def cut(self) -> None:
        """Ends every connection without another byte; new ones end at once."""
        self.up = False
        for writer in list(self._open):
            writer.transport.abort()

    def restore(self) -> None:
        self.up = True

    async def close(self) -> None:
        self.cut()
        if self._server is not None:
            self._server.close()
            await asyncio.sleep(0)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # The port is kept while cut, lest somebody else take it; whoever connects then is refused here.
        if not self.up:
            writer.transport.abort()
            return
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        ends = {writer, far_writer}
        self._open |= ends
        if not self.up:
            self.cut()
        passing = [
            asyncio.create_task(_pass(reader, far_writer)),
            asyncio.create_task(_pass(far_reader, writer)),
        ]
        try:
            await asyncio.wait(passing, return_when=asyncio.FIRST_COMPLETED)
            # One side has ended: let what it said last arrive, then end the other.
            for end in ends:
                end.close()
            await asyncio.wait(passing, timeout=2)
        finally:
            for task in passing:
                task.cancel()
            for end in ends:
                end.transport.abort()
            self._open -= ends


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
