"""What a broker answers to SUBSCRIBE and UNSUBSCRIBE, brought to whoever asked."""

import asyncio
import contextlib
from collections.abc import Iterator

from collector.mqtt.address import Address
from collector.mqtt.errors import SessionError


class Replies:
    """By packet id; each is waited for at most `timeout` seconds."""

    def __init__(self, address: Address, timeout: float) -> None:
        self._address = address
        self._timeout = timeout
        self._due: dict[int, asyncio.Future[list[int]]] = {}

    @contextlib.contextmanager
    def due(self, packet_id: int) -> Iterator["asyncio.Future[list[int]]"]:
        """The reply that is to come, for as long as somebody waits for it."""
        reply: asyncio.Future[list[int]] = asyncio.get_running_loop().create_future()
        self._due[packet_id] = reply
        try:
            yield reply
        finally:
            del self._due[packet_id]

    async def wait(self, reply: "asyncio.Future[list[int]]", filters: int) -> list[int]:
        """The reason codes, one for each topic filter. Raises SessionError."""
        try:
            async with asyncio.timeout(self._timeout):
                codes = await reply
        except TimeoutError:
            waited = f"{self._timeout:g} s"
            raise SessionError(f"{self._address}: no answer to a subscription within {waited}") from None
        if len(codes) != filters:
            raise SessionError(f"{self._address}: {len(codes)} answers to {filters} topic filters")
        return codes

    def arrived(self, packet_id: int, codes: list[int]) -> None:
        """Nothing when nobody waits for it any longer."""
        reply = self._due.get(packet_id)
        if reply is not None and not reply.done():
            reply.set_result(codes)

    def fail(self, error: SessionError) -> None:
        """The connection is gone, and with it every reply."""
        for reply in self._due.values():
            if not reply.done():
                reply.set_exception(error)
