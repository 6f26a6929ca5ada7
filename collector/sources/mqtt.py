"""Messages from a broker. Acknowledged by packet id, in order of arrival, once their readings are safe."""

import asyncio
from collections.abc import Callable, Sequence

from collector.contracts import Intake
from collector.errors import CollectorError, SourceError
from collector.mqtt.connector import Connector
from collector.mqtt.errors import SessionError
from collector.mqtt.packets import VERSION_5, Publish
from collector.mqtt.session import Session
from collector.reading import Frame

REFUSED = 0x80
"""SUBACK reason codes from here on say no (MQTT 5 §3.9.3)."""

CONFIRM_EVERY = 15.0
"""Seconds between questions whether the broker has taken in our acknowledgements; none while there are none."""

LEAST_WINDOW = 20
"""What Mosquitto hands over unacknowledged on 3.1.1, where nobody can tell it another number."""


class MqttSource:
    """One subscription of several filters, in a session that the broker keeps while we are away."""

    def __init__(self, connector: Connector, topics: Sequence[str], qos: int, window: int) -> None:
        """`window` is the Receive Maximum that the connector's options carry."""
        self._connector = connector
        self._filters = [(topic, qos) for topic in topics]
        self._acknowledging = qos > 0
        self._window = window
        self._session: Session | None = None
        self._subscribed = False
        """In the session that the broker keeps, and by this object."""
        self._repeats_retained = False
        """This session holds what the broker retained twice: from long ago, and from our asking again (3.1.1)."""
        self._unacknowledged = 0
        self._most_unacknowledged = LEAST_WINDOW
        self._paused = False
        self._answered = False
        """Our SUBSCRIBE has been: until then we read on, also while paused, and keep what comes."""
        self._take: Callable[[list[Publish]], None] | None = None
        self._arrived: list[Publish] = []

    @property
    def window(self) -> int:
        if not self._acknowledging:
            return 0
        if self._session is not None and self._session.version != VERSION_5:
            return self._most_unacknowledged
        return self._window

    async def run(self, intake: Intake) -> None:
        self._arrived, self._unacknowledged = [], 0
        try:
            session = await self._connector.connect(self._arrive)
        except CollectorError as error:
            raise _source_error(error) from error
        self._session = session
        try:
            resumed = session.connack.session_present
            if not resumed:
                self._subscribed = self._repeats_retained = False
            intake.session(resumed)
            self._take = lambda messages: self._hand_in(messages, intake, resumed)
            self._flush()
            await self._subscribe(session)
            self._answered = True
            self._listen()
            intake.connected()
            if (lost := await self._confirm_until_lost(session, intake)) is not None:
                raise lost
            raise SourceError("the connection has been closed")
        except CollectorError as error:
            raise _source_error(error) from error
        finally:
            self._session = self._take = None
            self._answered = False
            await session.close()

    def acknowledge(self, tokens: Sequence[int]) -> None:
        if self._session is not None:
            self._unacknowledged -= len(tokens)
            self._session.acknowledge(tokens)
            self._listen()

    def pause(self, paused: bool) -> None:
        self._paused = paused
        self._listen()
        if not paused and self._session is not None:
            # Not at once: who lets us go on may be in the middle of making room.
            asyncio.get_running_loop().call_soon(self._flush)

    def _listen(self) -> None:
        """Reads on unless there is no room, or more than `window` is unacknowledged.

        A broker may not know that number (3.1.1), or exceed it: Mosquitto 2.0.11 hands over a window for every
        acknowledgement.
        """
        if self._session is None:
            return
        if not self._paused and self._unacknowledged <= self._window:
            self._session.resume_reading()
        elif self._answered:
            self._session.pause_reading()

    def _arrive(self, messages: list[Publish]) -> None:
        self._arrived += messages
        self._flush()

    def _flush(self) -> None:
        """What has arrived, once the intake knows the session and while it takes anything."""
        if self._take is not None and self._arrived and not self._paused:
            messages, self._arrived = self._arrived, []
            self._take(messages)
            self._listen()

    async def _subscribe(self, session: Session) -> None:
        """Also in a resumed session: the filters may have changed since.

        On MQTT 5 retained messages come only to a new subscription. On 3.1.1 they come each time, so there we
        ask no more than once a process, and what comes of asking in a session older than us is passed over.
        """
        if session.version != VERSION_5 and session.connack.session_present:
            if self._subscribed:
                return
            self._repeats_retained = True
        codes = await session.subscribe(self._filters, retain_handling=1)
        refused = [topic for (topic, _), code in zip(self._filters, codes, strict=True) if code >= REFUSED]
        if refused:
            raise SourceError(f"the broker refuses to let us read {', '.join(refused)}; see its access list")
        self._subscribed = True

    async def _confirm_until_lost(self, session: Session, intake: Intake) -> SessionError | None:
        """Makes sure now and then, while messages come, that the broker knows what we have acknowledged.

        It is free to use the packet id of an acknowledged message again. If nothing told us so, a new message that
        is first seen with DUP, its first copy lost with a connection, could pass for the old one.
        """
        while not (await asyncio.wait([session.lost], timeout=CONFIRM_EVERY))[0]:
            if intake.asking():
                await session.ping()
                # Messages that are held back may be repetitions.
                if not self._arrived:
                    intake.answered()
        return session.lost.result()

    def _hand_in(self, messages: list[Publish], intake: Intake, resumed: bool) -> None:
        acknowledged = sum([message.qos for message in messages])
        self._unacknowledged += acknowledged
        self._most_unacknowledged = max(self._most_unacknowledged, self._unacknowledged)
        if acknowledged:
            intake.received(acknowledged, 1)
        if acknowledged < len(messages):
            intake.received(len(messages) - acknowledged, 0)
        frames: list[Frame] = []
        for message in messages:
            if (unwanted := self._unwanted(message)) is None:
                frames.append(Frame(message.payload, message.topic, message.packet_id, message.dup and resumed))
                continue
            if frames:
                intake.frames(frames)
                frames = []
            intake.refused(*unwanted, [message.packet_id] if message.packet_id else [])
        if frames:
            intake.frames(frames)

    def _unwanted(self, message: Publish) -> tuple[str, int, str] | None:
        """Reason, count and detail of a message that becomes no frame."""
        if message.oversize:
            return "too large", 1, f"{message.oversize} bytes on {message.topic}"
        # With DUP it is one of those from long ago that was never acknowledged.
        if self._repeats_retained and message.retain and not message.dup:
            return "retained", 1, f"sent again because we subscribed again, on {message.topic}"
        return None


def _source_error(error: CollectorError) -> SourceError:
    return SourceError(str(error), delay=error.delay if isinstance(error, SessionError) else 0.0)
