"""A WebSocket in front of a broker, as nginx or HAProxy puts it there."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@contextlib.asynccontextmanager
async def http_server(handler: Handler, context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """The port of a server on 127.0.0.1 that answers every request by `handler`."""
    runner = web.ServerRunner(web.Server(handler), shutdown_timeout=0)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
        await site.start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def websocket_gateway(broker_port: int, context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """The port at which the broker on `broker_port` is found at /mqtt."""

    async def handle(request: web.Request) -> web.StreamResponse:
        if request.path != "/mqtt":
            raise web.HTTPNotFound
        reader, writer = await asyncio.open_connection("127.0.0.1", broker_port)
        client = web.WebSocketResponse(protocols=("mqtt",), max_msg_size=0)
        try:
            await client.prepare(request)
            downstream = asyncio.create_task(_downstream(reader, client))
            async for frame in client:
                writer.write(frame.data)
                await writer.drain()
            downstream.cancel()
        except ConnectionError:
            pass
        finally:
            writer.close()
        return client

    async with http_server(handle, context) as port:
        yield port


async def _downstream(reader: asyncio.StreamReader, client: web.WebSocketResponse) -> None:
    with contextlib.suppress(ConnectionError):
        # An odd size, so that frames begin and end in the middle of packets.
        while data := await reader.read(1021):
            await client.send_bytes(data)
    await client.close()
