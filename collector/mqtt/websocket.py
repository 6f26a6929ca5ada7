"""A WebSocket as the byte stream that MQTT wants: binary frames in both directions, cut anywhere (MQTT 5 §6)."""

import asyncio
import contextlib
import socket
from typing import Any, Final

from aiohttp import ClientSession, ClientWebSocketResponse, WSCloseCode, WSMsgType

HIGH_WATER: Final = 64 * 1024
"""Bytes not yet handed to the socket at which the protocol is asked to pause; it goes on at a quarter of that."""

CLOSE_TIMEOUT: Final = 2.0
"""Seconds that the broker may take to answer our close frame."""


class WebSocketTransport(asyncio.Transport):
    """What `asyncio.Protocol` expects of a transport. Received frames wait in aiohttp, 128 KiB or one at most."""

    def __init__(self, client: ClientSession, connection: ClientWebSocketResponse, protocol: asyncio.Protocol) -> None:
        """Owns `client`."""
        super().__init__()
        self._client = client
        self._connection = connection
        self._protocol = protocol
        # Our own handle on it: aiohttp can only close in good order, which takes as long as the far end likes.
        self._socket: socket.socket = connection.get_extra_info("socket").dup()
        self._extra = {"socket": self._socket}
        self._buffer = bytearray()
        self._full = False
        self._closing = False
        self._sendable = asyncio.Event()
        self._readable = asyncio.Event()
        self._readable.set()
        self._carrying: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._protocol.connection_made(self)
        self._carrying = asyncio.get_running_loop().create_task(self._carry())

    # What the protocol calls

    def write(self, data: "bytes | bytearray | memoryview[Any]") -> None:
        if self._closing:
            return
        self._buffer += data
        self._sendable.set()
        if not self._full and len(self._buffer) > HIGH_WATER:
            self._full = True
            self._protocol.pause_writing()

    def pause_reading(self) -> None:
        self._readable.clear()

    def resume_reading(self) -> None:
        self._readable.set()

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        """A close frame ends both directions, and what still comes is not for us any longer."""
        self.close()

    def close(self) -> None:
        """Sends what was written, then shakes hands on the close."""
        self._closing = True
        self._sendable.set()
        self._readable.set()

    def abort(self) -> None:
        """No close frame: to a broker behind a gateway too this is a connection that broke."""
        self._closing = True
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        if self._carrying is not None:
            self._carrying.cancel()

    def is_closing(self) -> bool:
        return self._closing

    # How it is done

    async def _carry(self) -> None:
        """Both directions until one of them ends; what ended it the protocol hears last."""
        directions = [asyncio.create_task(self._receive()), asyncio.create_task(self._send())]
        error: Exception | None = None
        try:
            _, rest = await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
            if self._closing and rest:
                await asyncio.wait(rest)
            ends = [direction.exception() for direction in directions if direction.done()]
            error = next((end for end in ends if isinstance(end, Exception)), None)
        except asyncio.CancelledError:
            await self._finish(directions, error)
            raise
        # Not in `finally`: a loop that is gone throws GeneratorExit in here, and then nothing can be awaited.
        await self._finish(directions, error)

    async def _finish(self, directions: "list[asyncio.Task[None]]", error: Exception | None) -> None:
        self._closing = True
        for direction in directions:
            direction.cancel()
        try:
            await asyncio.gather(*directions, return_exceptions=True)
            async with asyncio.timeout(CLOSE_TIMEOUT):
                await self._connection.close()
        except (TimeoutError, asyncio.CancelledError):
            # Also when a loop that ends cancels us once more.
            pass
        await self._client.close()
        self._socket.close()
        self._protocol.connection_lost(error)

    async def _receive(self) -> None:
        while True:
            await self._readable.wait()
            frame = await self._connection.receive()
            if frame.type is WSMsgType.BINARY:
                # Reading may have been paused since.
                await self._readable.wait()
                if not self._closing:
                    self._protocol.data_received(frame.data)
            elif frame.type is WSMsgType.TEXT:
                raise ConnectionError("the broker sent text through its WebSocket [MQTT-6.0.0-1]")
            elif frame.type is WSMsgType.ERROR:
                raise ConnectionError(f"the broker broke the WebSocket protocol: {frame.data}")
            elif frame.type is WSMsgType.CLOSE and frame.data not in (None, WSCloseCode.OK):
                raise ConnectionError(f"the broker closed the WebSocket: {frame.data:d}, {frame.extra!r}")
            else:
                return

    async def _send(self) -> None:
        while not self._closing or self._buffer:
            await self._sendable.wait()
            self._sendable.clear()
            while self._buffer:
                data = bytes(self._buffer)
                self._buffer.clear()
                await self._connection.send_bytes(data)
                if self._full and len(self._buffer) <= HIGH_WATER // 4:
                    self._full = False
                    self._protocol.resume_writing()
        await self._connection.close()
