"""Every way of speaking MQTT to a broker, to hold each of them to the same contract."""

import contextlib
import ssl
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from collector.mqtt.connect import ConnectOptions, connect
from collector.mqtt.packets import VERSION_3_1_1, VERSION_5
from collector.mqtt.session import OnPublish, Session
from collector.tls import tls_context
from tests.brokers import Mosquitto, free_port
from tests.mqtt.certificates import Authority
from tests.mqtt.inbox import Inbox
from tests.mqtt.websocket_gateway import websocket_gateway


@dataclass(frozen=True)
class Way:
    """`websocket`: `own` is the broker's, `gateway` puts one in front of it."""

    name: str
    version: int
    tls: bool = False
    websocket: str = ""


WAYS = [
    Way("5 tcp", VERSION_5),
    Way("3.1.1 tcp", VERSION_3_1_1),
    Way("5 tls", VERSION_5, tls=True),
    Way("5 ws", VERSION_5, websocket="own"),
    Way("3.1.1 wss", VERSION_3_1_1, tls=True, websocket="own"),
    Way("5 wss through a gateway", VERSION_5, tls=True, websocket="gateway"),
]


@dataclass
class Reached:
    """A running broker and the way to it."""

    broker: Mosquitto
    options: ConnectOptions
    version: int
    _sessions: list[Session] = field(default_factory=list)

    async def session(self, client_id: str, inbox: OnPublish | None = None, **changes: Any) -> Session:
        given = replace(self.options, client_id=client_id, **changes)
        session = await connect(given, inbox or Inbox())
        self._sessions.append(session)
        return session

    async def close(self) -> None:
        for session in self._sessions:
            await session.close()


@contextlib.asynccontextmanager
async def reached(
    way: Way, directory: Path, authority: Authority, *lines: str, tls_lines: Sequence[str] = (), **settings: Any
) -> AsyncIterator[Reached]:
    """`lines` and `settings` are the broker's, `tls_lines` those of its TLS listener."""
    certificate, key = authority.issue("localhost") if way.tls else (None, None)
    config: list[str] = []
    plain_port, websocket_port = free_port(), free_port()
    if way.websocket == "own":
        if not mosquitto_has_websockets():
            pytest.skip("this Mosquitto is built without WebSockets")
        config += [f"listener {websocket_port} 127.0.0.1", "protocol websockets"]
    else:
        config += [f"listener {plain_port} 127.0.0.1"]
    if way.tls and way.websocket != "gateway":
        config += [f"cafile {authority.certificate}", f"certfile {certificate}", f"keyfile {key}", *tls_lines]
    if way.websocket == "own":
        # Behind it, so that both are open when this one is; Mosquitto 2.0.11 does not start with the first alone.
        config += [f"listener {plain_port} 127.0.0.1"]
    settings |= {"port": plain_port, "listener": False, "config_lines": [*config, *lines]}
    with Mosquitto(directory / "broker", **settings) as broker:
        async with contextlib.AsyncExitStack() as stack:
            port = websocket_port if way.websocket == "own" else broker.port
            if way.websocket == "gateway":
                port = await stack.enter_async_context(websocket_gateway(port, _server_context(certificate, key)))
            options = ConnectOptions(
                "localhost" if way.tls else "127.0.0.1",
                port,
                "",
                ssl=tls_context(authority.certificate) if way.tls else None,
                path="/mqtt" if way.websocket else None,
                version=way.version,
            )
            found = Reached(broker, options, way.version)
            try:
                yield found
            finally:
                await found.close()


def _server_context(certificate: Path | None, key: Path | None) -> ssl.SSLContext | None:
    if certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


@cache
def mosquitto_has_websockets() -> bool:
    with TemporaryDirectory() as directory:
        broker = Mosquitto(Path(directory), config_lines=[f"listener {free_port()} 127.0.0.1", "protocol websockets"])
        try:
            broker.start()
        except AssertionError:
            return False
        broker.stop()
        return True
