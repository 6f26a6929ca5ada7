"""One connection after the other to the same broker, in the version of MQTT that it speaks."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Final, Literal

from collector.mqtt import reason
from collector.mqtt.connect import ConnectOptions, connect
from collector.mqtt.errors import SessionError
from collector.mqtt.packets import LARGEST_PACKET, VERSION_3_1_1, VERSION_5
from collector.mqtt.session import OnPublish, Session

_WILL_REFUSED: Final = frozenset({reason.RETAIN_NOT_SUPPORTED, reason.QOS_NOT_SUPPORTED})
"""A broker that retains nothing, or knows QoS 0 only, refuses a CONNECT for its will alone (MQTT 5 §3.2.2.3)."""

Version = Literal["auto", "5", "3.1.1"]

REFUSED: Final = 86400.0
"""Seconds after which a broker that refused MQTT 5 may have been replaced by one that speaks it."""

UNANSWERED: Final = 3600.0
"""The same for a broker that said nothing: it may not have understood (amqtt waits for more), or been busy."""


class Connector:
    """Lives as long as its source or sink, and remembers what worked."""

    def __init__(
        self,
        options: Callable[[], ConnectOptions],
        version: Version = "auto",
        on_3_1_1: Callable[[Session], None] = lambda session: None,
    ) -> None:
        """`options` is asked anew for every connection, so that changed certificates and secrets count.

        `on_3_1_1` hears of the first connection of that version, and of the first after one of MQTT 5.
        """
        self._options = options
        self._version = version
        self._on_3_1_1 = on_3_1_1
        self._works: int | None = None
        """The version of the last session."""
        self._try_5 = 0.0
        """When MQTT 5 is due again, on the loop's clock."""
        self._will = True
        """Whether the broker takes one."""
        self._largest = LARGEST_PACKET
        """Bytes of a packet that the broker has not taken offence at."""

    async def connect(self, on_publish: OnPublish) -> Session:
        """Raises SessionError, or ConfigurationError for files that cannot be used any longer."""
        options = self._options()
        now = asyncio.get_running_loop().time()
        if self._version == "3.1.1" or (self._works == VERSION_3_1_1 and now < self._try_5):
            return await self._connect_3_1_1(options, on_publish)
        try:
            session = await self._connect(replace(options, version=VERSION_5), on_publish)
        except SessionError as error:
            wait = self._fall_back_for(error)
            if not wait:
                raise
        else:
            self._works = VERSION_5
            return session
        self._try_5 = now + wait
        return await self._connect_3_1_1(options, on_publish)

    async def _connect_3_1_1(self, options: ConnectOptions, on_publish: OnPublish) -> Session:
        try:
            session = await self._connect(replace(options, version=VERSION_3_1_1), on_publish)
        except SessionError as error:
            if error.reason_code == reason.UNSUPPORTED_PROTOCOL_VERSION:
                self._works = None
            raise
        works, self._works = self._works, VERSION_3_1_1
        if works != VERSION_3_1_1:
            self._on_3_1_1(session)
        return session

    async def _connect(self, options: ConnectOptions, on_publish: OnPublish) -> Session:
        session = await self._connect_with_will(options, on_publish)
        session.limit(self._largest)
        session.lost.add_done_callback(lambda lost: self._learn(session.offence))
        return session

    async def _connect_with_will(self, options: ConnectOptions, on_publish: OnPublish) -> Session:
        without = replace(options, will=None)
        if options.will is None or not self._will:
            return await connect(without, on_publish)
        try:
            return await connect(options, on_publish)
        except SessionError as error:
            if error.reason_code not in _WILL_REFUSED:
                raise
        self._will = False
        return await connect(without, on_publish)

    def _learn(self, offence: int) -> None:
        """Not every broker says in CONNACK what is too large for it; the next connection sends nothing that large."""
        if offence:
            self._largest = min(self._largest, offence - 1)

    def _fall_back_for(self, error: SessionError) -> float:
        """Seconds; 0 where the version is not what is wrong."""
        if self._version == "5":
            return 0.0
        if error.reason_code == reason.UNSUPPORTED_PROTOCOL_VERSION:
            return REFUSED
        # A broker that has spoken MQTT 5 is only stopping, or busy.
        return UNANSWERED if error.unanswered and self._works != VERSION_5 else 0.0
