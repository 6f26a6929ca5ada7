"""What an mqtt sink keeps retained beside the readings: what each device is, and whether it can be heard."""

import asyncio
import contextlib
import itertools
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal, NamedTuple

import msgspec

from collector.devices import Device, Devices
from collector.mqtt import reason
from collector.mqtt.errors import SessionError
from collector.mqtt.packets import Message, Publish
from collector.mqtt.session import Session
from collector.mqtt.topics import escape_level
from collector.sinks import home_assistant

LOOK = 1.0
"""Seconds between two looks at what is new."""

AT_ONCE = 10
BREATH = 0.05
"""So many messages, then so many seconds for nothing but readings, which share the broker's window."""

COURTESY = 5.0
"""Home Assistant has just started: seconds, at most, to let it take a breath before all is told again."""

SILENT = 3.0
"""Intervals without a word after which a device counts as gone."""

NOT_ALLOWED = 3600.0
"""Seconds for which a kind of message that the broker refuses is left out."""

Kind = Literal["state", "description", "discovery"]


class Discovery(NamedTuple):
    """What Home Assistant is told. `expire_after` is in seconds; None: by each device's own interval."""

    prefix: str
    expire_after: float | None


class Announcer:
    """Lives as long as its sink, and tells everything at each connection again.

    A broker that takes readings need not take this. Mosquitto 2.0.11 even ends the connection over it, with a PUBACK
    that may be lost on the way, so a kind that was refused, or was the first without an answer on two connections one
    after the other, is left out.
    """

    def __init__(
        self,
        devices: Devices,
        collector: str,
        status_topic: str,
        topic_of: Callable[[str, str], str],
        discovery: Discovery | None = None,
    ) -> None:
        """`topic_of` names the topic of a source's device's readings."""
        self._devices = devices
        self._collector = collector
        self._status_topic = status_topic
        self._topic_of = topic_of
        self._discovery = discovery
        self._asked = asyncio.Event()
        self._refused: dict[Kind, float] = {}
        """When each may be tried again, on the loop's clock."""
        self._suspect: Kind | None = None

    @property
    def note(self) -> str:
        """What the broker does not take, for the operator."""
        kinds = ", ".join(self._refused)
        return f"the broker takes no retained {kinds} messages from us; readings are not concerned" if kinds else ""

    def heard(self, messages: Sequence[Publish]) -> None:
        """What the broker sends an mqtt sink: Home Assistant's birth message, and nothing else."""
        if any(message.payload == b"online" for message in messages):
            self._asked.set()

    async def run(self, session: Session) -> None:
        """Ends by cancellation, or with the connection."""
        if not await self._tell(session, [("state", self._state("online"))]):
            return
        if self._discovery is not None:
            with contextlib.suppress(SessionError):
                await session.subscribe([(f"{self._discovery.prefix}/{home_assistant.STATUS}", 0)], retain_handling=2)
        told = 0
        while True:
            if self._asked.is_set():
                await asyncio.sleep(random.uniform(0, COURTESY))
                self._asked.clear()
                told = 0
            state = self._devices.state
            news = (said for device, there in self._devices.new_since(told) for said in self._messages(device, there))
            if not await self._tell(session, news):
                return
            told = state
            await asyncio.sleep(LOOK)

    async def leave(self, session: Session) -> None:
        """Says what the will would say, once the broker has taken it."""
        await self._tell(session, [("state", self._state("offline"))])

    async def _tell(self, session: Session, news: "Iterable[tuple[Kind, Message]]") -> bool:
        """Whether the connection still stands, at a broker that retains anything. Takes `news` as it goes."""
        if not session.connack.retain_available:
            return False
        now = asyncio.get_running_loop().time()
        self._refused = {kind: until for kind, until in self._refused.items() if until > now}
        rest = iter(news)
        while breath := list(itertools.islice(rest, AT_ONCE)):
            some = [said for said in breath if said[0] not in self._refused]
            codes = await session.publish([message for _, message in some]) if some else []
            for (kind, _), code in zip(some, codes, strict=True):
                if code is None:
                    if self._suspect == kind:
                        self._refused[kind] = now + NOT_ALLOWED
                    self._suspect = kind
                    return False
                if code >= reason.FAILURE:
                    self._refused[kind] = now + NOT_ALLOWED
                elif self._suspect == kind:
                    self._suspect = None
            if len(breath) == AT_ONCE:
                await asyncio.sleep(BREATH)
        return True

    def _state(self, state: str) -> Message:
        return Message(self._status_topic, f'{{"state":"{state}"}}'.encode(), retain=True)

    def _messages(self, device: Device, there: bool) -> "Iterator[tuple[Kind, Message]]":
        """Home Assistant finds unavailable for good what never had a state, so that goes first."""
        topic = f"edge/{escape_level(self._collector)}/{escape_level(device.name)}/description"
        yield "description", Message(topic, _description(self._collector, device, there), retain=True)
        if self._discovery is not None:
            topics = home_assistant.Topics(self._topic_of(device.source, device.name), self._status_topic, topic)
            expire_after = self._discovery.expire_after
            if expire_after is None:
                expire_after = SILENT * device.interval
            topic = home_assistant.topic(self._discovery.prefix, self._collector, device.name)
            payload = home_assistant.announcement(self._collector, device, topics, expire_after)
            yield "discovery", Message(topic, payload, retain=True)


def _description(collector: str, device: Device, there: bool) -> bytes:
    return msgspec.json.encode(
        {
            "state": "online" if there else "offline",
            "collector": collector,
            "device": device.name,
            "source": device.source,
            "profile": device.profile,
            "model": device.model,
            "units": {name: field.unit for name, field in device.fields.items() if field.unit},
        }
    )
