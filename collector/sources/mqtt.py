"""Messages from a broker. Acknowledged by packet id, in order of arrival, once their readings are safe."""

from collections.abc import Callable, Sequence

from collector.contracts import Intake
from collector.errors import CollectorError, SourceError
from collector.mqtt.connect import ConnectOptions, connect
from collector.mqtt.packets import Publish
from collector.mqtt.session import Session
from collector.reading import Frame

REFUSED = 0x80
"""SUBACK reason codes from here on say no (MQTT 5 §3.9.3)."""


class MqttSource:
    """One subscription of several filters, in a session that the broker keeps while we are away."""

    def __init__(self, options: Callable[[], ConnectOptions], topics: Sequence[str], qos: int) -> None:
        """`options` is asked anew for every connection, so that changed certificates and secrets count."""
        self._options = options
        self._filters = [(topic, qos) for topic in topics]
        self._session: Session | None = None
        self._paused = False
        self.window = options().receive_maximum if qos else 0

    async def run(self, intake: Intake) -> None:
        early: list[Publish] = []
        deliver: Callable[[list[Publish]], None] = early.extend

        def arrived(messages: list[Publish]) -> None:
            deliver(messages)

        try:
            session = await connect(self._options(), arrived)
        except CollectorError as error:
            raise SourceError(str(error)) from error
        self._session = session
        try:
            resumed = session.connack.session_present
            intake.session(resumed)

            def feed(messages: list[Publish]) -> None:
                _hand_in(messages, intake, resumed)

            # What a resumed session re-sends may have come before we knew that it was resumed.
            deliver = feed
            if early:
                feed(early)
            self.pause(self._paused)
            await self._subscribe(session)
            intake.connected()
            lost = await session.lost
            raise SourceError(str(lost))
        except CollectorError as error:
            raise SourceError(str(error)) from error
        finally:
            self._session = None
            await session.close()

    def acknowledge(self, tokens: Sequence[int]) -> None:
        if self._session is not None:
            self._session.acknowledge(tokens)

    def pause(self, paused: bool) -> None:
        self._paused = paused
        if self._session is not None:
            if paused:
                self._session.pause_reading()
            else:
                self._session.resume_reading()

    async def _subscribe(self, session: Session) -> None:
        """Also in a resumed session: the filters may have changed. Retained messages come only to a new one."""
        codes = await session.subscribe(self._filters, retain_handling=1)
        refused = [topic for (topic, _), code in zip(self._filters, codes, strict=True) if code >= REFUSED]
        if refused:
            raise SourceError(f"the broker refuses to let us read {', '.join(refused)}; see its access list")


def _hand_in(messages: list[Publish], intake: Intake, resumed: bool) -> None:
    frames: list[Frame] = []
    acknowledged = 0
    for message in messages:
        acknowledged += message.qos
        if message.oversize:
            if frames:
                intake.frames(frames)
                frames = []
            tokens = [message.packet_id] if message.packet_id else []
            intake.refused("too large", 1, f"{message.oversize} bytes on {message.topic}", tokens)
        else:
            frames.append(Frame(message.payload, message.topic, message.packet_id, message.dup and resumed))
    if acknowledged:
        intake.received(acknowledged, 1)
    if acknowledged < len(messages):
        intake.received(len(messages) - acknowledged, 0)
    if frames:
        intake.frames(frames)
