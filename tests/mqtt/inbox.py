"""What a client received, and what it had sent."""

import asyncio
from collections.abc import Callable

from collector.mqtt.packets import Message, Publish


class Inbox:
    """Keeps what arrives, and waits for it."""

    def __init__(self) -> None:
        self.messages: list[Publish] = []
        self._arrived = asyncio.Event()

    def __call__(self, messages: list[Publish]) -> None:
        self.messages += messages
        self._arrived.set()

    @property
    def ids(self) -> list[int]:
        return [message.packet_id for message in self.messages]

    @property
    def payloads(self) -> list[bytes]:
        return [message.payload for message in self.messages]

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(30):
            while not condition():
                self._arrived.clear()
                await self._arrived.wait()

    async def holds(self, count: int) -> None:
        await self.until(lambda: len(self.messages) >= count)

    async def stays_at(self, count: int) -> None:
        """The broker has had every chance to send more."""
        await self.holds(count)
        await asyncio.sleep(0.2)
        assert len(self.messages) == count


def numbered(count: int, topic: str = "t") -> list[Message]:
    return [Message(topic, str(number).encode()) for number in range(count)]
