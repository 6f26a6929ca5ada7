"""Delivers to a broker: a message a reading, or a message a segment."""

import asyncio
import contextlib
import zlib
from typing import Literal

from collector.contracts import Outcome
from collector.devices import Devices
from collector.errors import CollectorError, SinkError
from collector.mqtt import reason
from collector.mqtt.connector import Connector
from collector.mqtt.errors import SessionError
from collector.mqtt.packets import VERSION_5, Message
from collector.mqtt.session import Session
from collector.mqtt.topics import escape_level
from collector.segment import Part
from collector.sinks import wire
from collector.sinks.announcer import Announcer, Discovery

LEVEL = 5
"""Of compression: 6 took 1.4 to 2.2 times as long for 0 to 2 % fewer bytes."""

DEAF = "MQTT 3.1.1: a message that the broker refuses looks like one that it took"
"""Its PUBACK has no reason code (MQTT 3.1.1 §3.4), and its specification no better answer to a refusal (§3.3.5)."""

FAREWELL = 2.0
"""Seconds the broker gets to take our "offline"; a will says the same where it does not."""


class MqttSink:
    """`topic` may hold {collector}, {source} and {device}; each becomes one topic level."""

    concurrency = 8

    def __init__(
        self,
        connector: Connector,
        collector: str,
        format: Literal["reading", "batch"],
        topic: str,
        status_topic: str,
        devices: Devices,
        discovery: Discovery | None = None,
    ) -> None:
        """`devices` are described to whoever looks; Home Assistant's `discovery` needs single readings."""
        self._connector = connector
        self._collector = collector
        self._format = format
        self.whole = format == "batch"
        self._topic = topic
        self._session: Session | None = None
        self._announcing: asyncio.Task[None] | None = None
        self._topics: dict[tuple[str, str], str] = {}
        self._announcer = Announcer(devices, collector, status_topic, self._topic_of, discovery)

    @property
    def note(self) -> str:
        deaf = DEAF if self._session is not None and self._session.version != VERSION_5 else ""
        return "; ".join(filter(None, [deaf, self._announcer.note]))

    async def open(self) -> "asyncio.Future[SinkError]":
        try:
            session = await self._connector.connect(self._announcer.heard)
        except SessionError as error:
            raise SinkError(str(error), hold=error.hold, delay=error.delay) from error
        except CollectorError as error:
            raise SinkError(str(error), hold=True) from error
        self._session = session
        lost: asyncio.Future[SinkError] = asyncio.get_running_loop().create_future()

        def ended(future: "asyncio.Future[SessionError | None]") -> None:
            if lost.done():
                return
            if (error := future.result()) is None:
                lost.set_result(SinkError("the connection has been closed"))
            else:
                lost.set_result(SinkError(str(error), hold=error.hold, delay=error.delay))

        session.lost.add_done_callback(ended)
        # Readings do not wait for the broker to have taken "online", but they go out behind it.
        self._announcing = asyncio.create_task(self._announcer.run(session))
        await asyncio.sleep(0)
        return lost

    async def deliver(self, part: Part) -> Outcome:
        session = self._session
        if session is None:
            return Outcome("retry", reason="not connected")
        deliver = self._deliver_batch if self._format == "batch" else self._deliver_readings
        return await deliver(session, part)

    async def close(self) -> None:
        if self._session is None:
            return
        if self._announcing is not None:
            self._announcing.cancel()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FAREWELL):
                await self._announcer.leave(self._session)
        session, self._session = self._session, None
        await session.close()

    async def _deliver_readings(self, session: Session, part: Part) -> Outcome:
        collector, epoch, topic = self._collector, part.segment.epoch, self._topic_of
        messages = [
            Message(topic(reading.source, reading.device), wire.single(collector, epoch, reading))
            for reading in wire.readings(part)
        ]
        codes = await session.publish(messages)
        if all(code == 0 for code in codes):
            return Outcome()
        outcome = Outcome()
        settled: list[int] = []
        for at, code in enumerate(codes, part.lo):
            match reason.of_message(code):
                case "taken":
                    settled.append(at)
                case "dead" | "too large":
                    outcome.dead[at] = _refusal(code)
                case verdict if outcome.verdict != "hold":
                    outcome.verdict, outcome.reason = verdict, _refusal(code)
        outcome.settled = settled
        return outcome

    async def _deliver_batch(self, session: Session, part: Part) -> Outcome:
        body = zlib.compress(wire.batch(self._collector, part), LEVEL)
        message = Message(self._topic_of("", ""), body, content_type=wire.BATCH_TYPE)
        [code] = await session.publish([message])
        verdict = reason.of_message(code)
        if verdict == "taken":
            return Outcome()
        if verdict == "dead":
            return Outcome(dead=dict.fromkeys(range(part.lo, part.hi), _refusal(code)))
        return Outcome(verdict, reason=_refusal(code))

    def _topic_of(self, source: str, device: str) -> str:
        topic = self._topics.get((source, device))
        if topic is None:
            if len(self._topics) >= 10_000:
                self._topics.clear()
            topic = self._topic
            for key, name in (("{collector}", self._collector), ("{source}", source), ("{device}", device)):
                topic = topic.replace(key, escape_level(name))
            if len(source) + len(device) <= 256:
                self._topics[source, device] = topic
        return topic


def _refusal(code: int | None) -> str:
    return "connection lost" if code is None else reason.describe(code)
