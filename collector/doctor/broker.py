"""One broker: let in by our own session, then a round trip with aiomqtt, a client that shares no code with ours."""

import asyncio
import secrets
from collections.abc import Iterable
from dataclasses import replace

from collector import assembly, tls
from collector.clock import SystemClock
from collector.config.load import Loaded
from collector.config.model import MqttSink, MqttSource
from collector.doctor import server, way
from collector.doctor.finding import Finding, Subject
from collector.errors import CollectorError
from collector.mqtt.address import Address
from collector.mqtt.connect import ConnectOptions
from collector.mqtt.connector import Connector
from collector.mqtt.packets import VERSION_5, Connack
from collector.mqtt.topics import escape_level

_ADVICE = "correct the address, username and password_file, or the broker"

RETURN = 2.0
"""Seconds that a message may take to come back; the connection has stood by then."""


async def examine(subject: Subject, name: str, section: MqttSource | MqttSink, loaded: Loaded) -> Iterable[Finding]:
    options = own_options(name, section, loaded)
    address = Address(options.host, options.port, False)
    there = Subject(subject.subject, f"{subject.where}: {address}")
    found: list[Finding] = []
    if options.ssl is not None:
        found.append(await server.reach(there, options.host, options.port, options.ssl, "broker"))
        if found[0].verdict == "fail":
            return found
    try:
        session = await Connector(lambda: options, section.protocol).connect(lambda messages: None)
    except CollectorError as error:
        refused = tls.ssl_error(error)
        advice = way.remedy(refused) if refused is not None else _ADVICE
        # What TLS 1.3 says of our certificate comes after the handshake, so the connection was no good after all.
        return [*([] if refused else found), there.fail(str(error).removeprefix(f"{address}: "), advice)]
    granted, version = session.connack, session.version
    await session.close()
    found += _limits(there, section, granted)
    topic = private_topic(loaded)
    found.append(await _round_trip(there, replace(options, version=version), topic))
    return found


def own_options(name: str, section: MqttSource | MqttSink, loaded: Loaded) -> ConnectOptions:
    """As the daemon connects, but under an id of our own: with the daemon's, it would be thrown out."""
    options = assembly.connection(name, section, loaded)()
    client_id = f"edge-doctor-{secrets.token_hex(4)}"
    return replace(options, client_id=client_id, clean_start=True, session_expiry=0, connect_timeout=4.0)


def private_topic(loaded: Loaded) -> str:
    """Beside our own topics, where an access list most likely lets us, and nobody listens."""
    return f"edge/{escape_level(loaded.configuration.collector.id)}/doctor/{secrets.token_hex(8)}"


def _limits(subject: Subject, section: MqttSource | MqttSink, granted: Connack) -> list[Finding]:
    found = []
    if granted.maximum_qos < 1:
        found.append(subject.fail("grants QoS 0 only, which acknowledges nothing", "allow QoS 1 in the broker"))
    if isinstance(section, MqttSink) and not granted.retain_available:
        advice = "allow retained messages; readings are delivered either way"
        found.append(subject.warn("takes no retained messages, so edge/.../status is not kept", advice))
    return found


async def _round_trip(subject: Subject, options: ConnectOptions, topic: str) -> Finding:
    import aiomqtt

    password = options.password.decode("utf-8", "replace") if options.password is not None else None
    client = aiomqtt.Client(
        options.host,
        options.port,
        username=options.username,
        password=password,
        identifier=options.client_id,
        protocol=aiomqtt.ProtocolVersion.V5 if options.version == VERSION_5 else aiomqtt.ProtocolVersion.V311,
        tls_context=options.ssl,
        transport="tcp" if options.path is None else "websockets",
        websocket_path=options.path,
        timeout=RETURN,
    )
    clock = SystemClock()
    try:
        async with client:
            await client.subscribe(topic, qos=1)
            start = clock.monotonic()
            await client.publish(topic, b"round trip", qos=1)
            async with asyncio.timeout(RETURN):
                async for message in client.messages:
                    if message.payload == b"round trip":
                        break
            took = clock.monotonic() - start
    except TimeoutError:
        return _no_return(subject, topic)
    except aiomqtt.MqttError as error:
        return _no_return(subject, topic, f" ({error})")
    spoken = "MQTT 5" if options.version == VERSION_5 else "MQTT 3.1.1, so that refused messages look like taken ones"
    return subject.ok(f"let us in, and a message came back in {took * 1000:.0f} ms; speaks {spoken}")


def _no_return(subject: Subject, topic: str, why: str = "") -> Finding:
    return subject.warn(
        f"let us in, but no message came back on {topic}{why}",
        "if the account's access list leaves out edge/COLLECTOR/doctor/#, that is why, and this proves nothing",
    )
