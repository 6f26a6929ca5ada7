"""Servers that are no broker, and WebSockets that go wrong: each ends in one clear line."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import WSCloseCode, web

from collector.mqtt.connect import ConnectOptions, connect
from collector.mqtt.errors import SessionError
from collector.mqtt.packets import Message
from collector.mqtt.session import Session
from collector.mqtt.websocket import HIGH_WATER, WebSocketTransport
from tests.mqtt.fake_broker import Peer, fake_broker
from tests.mqtt.websocket_gateway import http_server

CONNACK = b"\x20\x03\x00\x00\x00"
Script = Callable[[web.WebSocketResponse], Awaitable[None]]


def serving(script: Script, *protocols: str) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def handle(request: web.Request) -> web.StreamResponse:
        assert request.path == "/mqtt"
        socket = web.WebSocketResponse(protocols=protocols or ("mqtt",), max_msg_size=0)
        await socket.prepare(request)
        await script(socket)
        return socket

    return handle


async def dialled(port: int, **changes: float) -> Session:
    options = ConnectOptions("127.0.0.1", port, "me", path="/mqtt", connect_timeout=changes.get("timeout", 5.0))
    return await connect(options, lambda messages: None)


async def refusal(port: int, **changes: float) -> SessionError:
    with pytest.raises(SessionError) as caught:
        await dialled(port, **changes)
    assert str(caught.value).startswith(f"127.0.0.1:{port}: ")
    assert "\n" not in str(caught.value)
    return caught.value


async def ended(session: Session) -> str:
    async with asyncio.timeout(5):
        return str(await session.lost)


@pytest.mark.parametrize(
    ("status", "words", "hold"),
    [
        (200, "/mqtt is no WebSocket, the server says 200", False),
        (401, "/mqtt is no WebSocket, the server says 401", True),
        (403, "/mqtt is no WebSocket, the server says 403", True),
        (404, "/mqtt is no WebSocket, the server says 404", False),
        (502, "/mqtt is no WebSocket, the server says 502", False),
    ],
)
async def test_a_server_that_answers_something_else(status: int, words: str, hold: bool) -> None:
    async def handle(request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, text="<html>")

    async with http_server(handle) as port:
        error = await refusal(port)
    assert words in str(error)
    assert error.hold == hold


async def test_a_redirect_is_not_followed() -> None:
    """It could lead from wss:// to ws://, and the password would follow."""
    asked: list[str] = []

    async def handle(request: web.Request) -> web.StreamResponse:
        asked.append(request.path)
        raise web.HTTPFound("/elsewhere")

    async with http_server(handle) as port:
        assert "sends us to /elsewhere: name that in the URL" in str(await refusal(port))
    assert asked == ["/mqtt"]


async def test_a_websocket_of_another_protocol() -> None:
    async def script(socket: web.WebSocketResponse) -> None:
        await socket.receive()

    async with http_server(serving(script, "chat")) as port:
        assert "none of MQTT" in str(await refusal(port))


async def test_a_broker_without_websockets_on_that_port() -> None:
    async def script(peer: Peer) -> None:
        await peer.bytes(1)

    async with fake_broker(script) as port:
        assert "is this the broker's port for WebSockets?" in str(await refusal(port))


async def test_a_server_that_speaks_something_else() -> None:
    async def script(peer: Peer) -> None:
        await peer.bytes(1)
        peer.raw(b"220 mail.example ESMTP\r\n")
        await peer.gone()

    async with fake_broker(script) as port:
        assert "does not speak HTTP on this port" in str(await refusal(port))


async def test_a_server_that_never_answers() -> None:
    async with fake_broker(Peer.gone) as port:
        assert "no answer in time" in str(await refusal(port, timeout=0.2))


async def test_packets_may_be_cut_over_frames_in_any_way() -> None:
    got = b""

    async def script(socket: web.WebSocketResponse) -> None:
        nonlocal got
        await socket.receive()
        for byte in CONNACK:
            await socket.send_bytes(bytes((byte,)))
        got = (await socket.receive()).data

    async with http_server(serving(script)) as port:
        session = await dialled(port)
        await session.close()
    assert got == b"\xe0\x00"


async def test_text_ends_the_connection() -> None:
    async def script(socket: web.WebSocketResponse) -> None:
        await socket.receive()
        await socket.send_bytes(CONNACK)
        await socket.send_str("hello")
        await socket.receive()

    async with http_server(serving(script)) as port:
        assert "sent text through its WebSocket" in await ended(await dialled(port))


async def test_a_frame_beyond_the_limit_ends_the_connection() -> None:
    async def script(socket: web.WebSocketResponse) -> None:
        await socket.receive()
        await socket.send_bytes(CONNACK)
        await socket.send_bytes(bytes(17 * 1024 * 1024))
        await socket.receive()

    async with http_server(serving(script)) as port:
        assert "broke the WebSocket protocol" in await ended(await dialled(port))


async def test_a_close_frame_says_why() -> None:
    async def script(socket: web.WebSocketResponse) -> None:
        await socket.receive()
        await socket.send_bytes(CONNACK)
        await socket.close(code=WSCloseCode.TRY_AGAIN_LATER, message=b"maintenance")

    async with http_server(serving(script)) as port:
        assert "the broker closed the WebSocket: 1013, 'maintenance'" in await ended(await dialled(port))


async def test_a_broker_that_takes_nothing_fills_no_memory_and_can_be_left() -> None:
    stuck = asyncio.Event()

    async def script(socket: web.WebSocketResponse) -> None:
        await socket.receive()
        await socket.send_bytes(CONNACK)
        await stuck.wait()

    async with http_server(serving(script)) as port:
        session = await dialled(port)
        try:
            sending = asyncio.create_task(session.publish([Message("t", bytes(50_000))] * 2000))
            transport = session._transport
            assert isinstance(transport, WebSocketTransport)
            await asyncio.sleep(0.3)
            assert not session._writable
            assert len(transport._buffer) < 4 * HIGH_WATER
            # What else has left the outbox lies in the two sockets.
            assert session._outbox.in_flight < 500
            async with asyncio.timeout(4):
                await session.close()
                assert set(await sending) == {None}
        finally:
            stuck.set()


def test_only_a_connection_through_one_imports_aiohttp() -> None:
    code = "import sys, json; import collector.mqtt.connector; print(json.dumps('aiohttp' in sys.modules))"
    assert json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout) is False
