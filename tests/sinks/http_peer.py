"""A web server that does what a script says, hostile or not, and remembers what came."""

import asyncio
import contextlib
import gzip
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NamedTuple


class Request(NamedTuple):
    line: str
    headers: dict[str, str]
    """By lower-case names."""
    body: bytes

    @property
    def key(self) -> str:
        return self.headers["idempotency-key"]

    @property
    def batch(self) -> dict[str, Any]:
        decoded: dict[str, Any] = json.loads(gzip.decompress(self.body))
        return decoded

    @property
    def identities(self) -> list[str]:
        batch = self.batch
        return [f"{batch['collector']}/{batch['epoch']}/{reading['seq']}" for reading in batch["readings"]]


Script = Callable[[Request, asyncio.StreamWriter], Awaitable[None]]


def reply(status: int, body: str | bytes = b"", **headers: str) -> Script:
    """Answers like this; underscores in the headers' names stand for hyphens."""
    data = body.encode() if isinstance(body, str) else body
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(data)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]

    async def script(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + data)

    return script


ACCEPTED = reply(200, "{}", Content_Type="application/json")


async def hang_up(request: Request, writer: asyncio.StreamWriter) -> None:
    """The connection ends as if the process had died: whatever was done with the request, nobody learns of it."""
    writer.transport.abort()


class HttpPeer:
    """`script` answers each request; `first` goes before it, one script a request."""

    def __init__(self, script: Script = ACCEPTED, *first: Script) -> None:
        self.script = script
        self.first = list(first)
        self.requests: list[Request] = []
        self.connections = 0
        self.port = 0
        self._serving: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    @contextlib.asynccontextmanager
    async def serving(self, context: ssl.SSLContext | None = None) -> AsyncIterator["HttpPeer"]:
        await self.start(context)
        try:
            yield self
        finally:
            await self.stop()

    async def start(self, context: ssl.SSLContext | None = None) -> None:
        """On the port of the time before, if there was one."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, ssl=context)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Ends connections too: one that is kept would answer on."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
        for _ in range(10):  # a handshake under way may still bring a connection
            await asyncio.sleep(0)
            for task in list(self._serving):
                task.cancel()
            if self._serving:
                await asyncio.wait(self._serving)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/readings"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        try:
            while not writer.is_closing():
                request = await _read(reader)
                self.requests.append(request)
                script = self.first.pop(0) if self.first else self.script
                await script(request, writer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError, asyncio.CancelledError):
            pass
        finally:
            self._serving.discard(task)
            writer.transport.abort()


async def _read(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
    return Request(head[0], headers, await reader.readexactly(int(headers.get("content-length", "0"))))
