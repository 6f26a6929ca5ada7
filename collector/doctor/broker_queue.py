"""What a source's broker does with messages while the collector is away. No broker tells; it has to be tried."""

import asyncio
import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import replace

from collector.config.load import Loaded
from collector.config.model import MqttSource
from collector.doctor.broker import own_options, private_topic
from collector.doctor.finding import Finding, Subject
from collector.errors import CollectorError
from collector.mqtt.address import Address
from collector.mqtt.connect import ConnectOptions
from collector.mqtt.connector import Connector
from collector.mqtt.packets import Message, Publish
from collector.mqtt.session import OnPublish, Session

SENT = 1100
"""A little more than the queue of a Mosquitto that was told nothing: 1000 messages."""

QUIET = 0.5
"""Seconds without a message after which no more will come."""

FORGET = 1.0
"""Seconds for taking our session away again, also after the time for all this is over."""

MOSQUITTO = """in Mosquitto, a file /etc/mosquitto/conf.d/edge-collector.conf with
    max_queued_messages 0
    max_inflight_messages 1000
    queue_qos0_messages true
    persistence true
    autosave_interval 30
then systemctl restart mosquitto"""


async def examine(subject: Subject, name: str, section: MqttSource, loaded: Loaded) -> Iterable[Finding]:
    options = own_options(name, section, loaded)
    address = Address(options.host, options.port, False)
    there = Subject(subject.subject, f"{subject.where}: {address}")
    try:
        kept, expiry = await _measure(options, section, private_topic(loaded))
    except CollectorError as error:
        return [there.ok(f"not measured: {str(error).removeprefix(f'{address}: ')}")]
    found = []
    if kept is None:
        found.append(there.ok("not measured: the account may not use a topic of ours; Mosquitto's default is 1000"))
    elif kept < SENT:
        found.append(there.warn(f"kept only {kept} of {SENT} messages for a client that was away", MOSQUITTO))
    else:
        found.append(there.ok(f"kept all of {SENT} messages for a client that was away"))
    if expiry is not None and expiry < section.session_expiry:
        advice = "raise the broker's limit (Mosquitto: persistent_client_expiration, HiveMQ: session-expiry)"
        found.append(there.warn(f"forgets the collector after {expiry} s away, with all it queued", advice))
    return found


def unqueued(subject: Subject, messages: dict[int, int]) -> Iterator[Finding]:
    """`messages`: how many have come, by QoS."""
    if lost := messages.get(0, 0):
        yield subject.warn(
            f"{lost} of {sum(messages.values())} messages came at QoS 0: not queued while the collector is away",
            f"let the devices publish at QoS 1; or, {MOSQUITTO}",
        )
    elif messages:
        yield subject.ok("every message came at QoS 1")


async def _measure(options: ConnectOptions, section: MqttSource, topic: str) -> tuple[int | None, int | None]:
    """Messages kept (None where the access list forbids), and the seconds a session lasts if the broker shortens it."""
    away = replace(
        options,
        client_id=f"{options.client_id}-away",
        clean_start=False,
        session_expiry=round(section.session_expiry),
        receive_maximum=65535,
    )
    absent = await _connect(away, section)
    expiry = absent.connack.session_expiry_interval
    try:
        [granted] = await absent.subscribe([(topic, 1)])
        await absent.close()
        if granted != 1 or not await _publish(options, section, topic):
            return None, expiry
        return await _count(away, section), expiry
    finally:
        await _forget(away, section)


async def _forget(away: ConnectOptions, section: MqttSource) -> None:
    """Leaves no session behind; where the broker has just stopped answering, it forgets by itself later."""
    with contextlib.suppress(TimeoutError, CollectorError):
        async with asyncio.timeout(FORGET):
            session = await _connect(replace(away, clean_start=True, session_expiry=0), section)
            await session.close()


async def _publish(options: ConnectOptions, section: MqttSource, topic: str) -> bool:
    session = await _connect(options, section)
    codes = await session.publish([Message(topic, b"%d" % number) for number in range(SENT)])
    await session.close()
    return all(code == 0 for code in codes)


async def _count(away: ConnectOptions, section: MqttSource) -> int:
    """How many different messages come to the client that is back."""
    kept: set[bytes] = set()
    unacknowledged: list[int] = []
    came = asyncio.Event()

    def arrived(messages: list[Publish]) -> None:
        kept.update(message.payload for message in messages)
        unacknowledged.extend(message.packet_id for message in messages if message.packet_id)
        came.set()

    session = await _connect(away, section, arrived)
    try:
        async with asyncio.timeout(None) as quiet:
            while len(kept) < SENT:
                quiet.reschedule(asyncio.get_running_loop().time() + QUIET)
                await came.wait()
                came.clear()
                session.acknowledge(unacknowledged)
                unacknowledged.clear()
    except TimeoutError:
        pass
    await session.close()
    return len(kept)


async def _connect(
    options: ConnectOptions, section: MqttSource, on_publish: OnPublish = lambda messages: None
) -> Session:
    return await Connector(lambda: options, section.protocol).connect(on_publish)
