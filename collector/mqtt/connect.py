"""The way to a session: network, TLS, WebSocket, CONNECT and the broker's answer."""

import asyncio
from dataclasses import dataclass, field
from ssl import SSLContext

from collector.mqtt.address import Address
from collector.mqtt.decode import Decoder
from collector.mqtt.dial import dial
from collector.mqtt.errors import SessionError
from collector.mqtt.packets import VERSION_5, Connect, Will
from collector.mqtt.session import OnPublish, Session


@dataclass(frozen=True)
class ConnectOptions:
    """What to connect to and as whom. Times in seconds, sizes in bytes.

    A larger packet than `maximum_packet_size` is dropped by the broker, unseen; a payload beyond
    `max_payload` arrives as `Publish.oversize`, so keep the former well above the latter.
    """

    host: str
    port: int
    client_id: str
    ssl: SSLContext | None = None
    path: str | None = None
    """The broker's WebSocket on that host; None where MQTT is spoken right away."""
    version: int = VERSION_5
    username: str | None = None
    password: bytes | None = field(default=None, repr=False)
    clean_start: bool = True
    session_expiry: int = 0
    receive_maximum: int = 1000
    keepalive: int = 60
    maximum_packet_size: int = 16 * 1024 * 1024
    max_payload: int = 256 * 1024
    coalesce: float = 0.0
    """How long what comes thick and fast may gather in the socket before it is read; 0 reads at once."""
    will: Will | None = None
    connect_timeout: float = 15.0
    """For each step on the way: TCP, TLS, CONNACK; enough for round trips of 5 s."""


async def connect(options: ConnectOptions, on_publish: OnPublish) -> Session:
    """A session whose CONNACK said yes. Raises SessionError.

    `on_publish` gets all messages that one read brought, in the order of their arrival; what a resumed
    session re-sends may come before this function has returned.
    """
    address = Address(options.host, options.port, options.ssl is not None, options.path)
    packet = Connect(
        client_id=options.client_id,
        username=options.username,
        password=options.password,
        clean_start=options.clean_start,
        keepalive=options.keepalive,
        will=options.will,
        session_expiry=options.session_expiry,
        receive_maximum=options.receive_maximum,
        maximum_packet_size=options.maximum_packet_size,
    )
    decoder = Decoder(
        maximum_packet_size=options.maximum_packet_size, max_payload=options.max_payload, version=options.version
    )

    def session_of() -> Session:
        return Session(
            address,
            packet,
            decoder,
            on_publish,
            options.connect_timeout,
            options.version,
            coalesce=options.coalesce,
        )

    if address.path is None:
        session = await dial(session_of, address, options.ssl, timeout=options.connect_timeout)
    else:
        # Here, because aiohttp weighs several megabytes.
        from collector.mqtt import websocket_dial

        session = await websocket_dial.dial(
            session_of,
            address,
            options.ssl,
            largest=options.maximum_packet_size,
            timeout=options.connect_timeout,
        )
    try:
        async with asyncio.timeout(options.connect_timeout):
            await session.opened
    except TimeoutError:
        session.abort()
        waited = f"{options.connect_timeout:g} s"
        raise SessionError(f"{address}: no CONNACK within {waited}", unanswered=True) from None
    except BaseException:
        session.abort()
        raise
    return session
