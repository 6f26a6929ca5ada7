"""From a persistent session into the store: what is committed is acknowledged, never the other way round."""

import asyncio
import hashlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from collector.backoff import Backoff
from collector.mqtt.connect import ConnectOptions
from collector.mqtt.connector import Connector
from collector.mqtt.errors import SessionError
from collector.mqtt.packets import Publish
from collector.mqtt.session import Session
from collector.receive.store import Store
from collector.receive.tally import Account

MOST_WAITING = 32 * 1024 * 1024
"""Bytes of payload in memory at which the broker must wait for the commit under way."""


class Receiver:
    """Receives until stopped."""

    def __init__(
        self,
        options: ConnectOptions,
        filters: Sequence[str],
        store: Store,
        account: Account,
        say: Callable[[str], None],
    ) -> None:
        """`say` gets one line for each change of state."""
        self._connector = Connector(lambda: options)
        self._filters = [(topic, 1) for topic in filters]
        self._store = store
        self._account = account
        self._say = say
        self._backoff = Backoff(0.2, 15.0, now=time.monotonic)
        self._stopping = False
        self._wake = asyncio.Event()
        self._arrived: list[Publish] = []
        self._size = 0
        self._trouble = ""

    async def run(self, stop: asyncio.Event) -> None:
        """Returns once all that has arrived is committed and acknowledged. Raises sqlite3.Error: nothing of it is."""
        stopping = asyncio.create_task(stop.wait())
        stopping.add_done_callback(lambda _: self._stop())
        delay = 0.0
        try:
            while not self._stopping:
                opening = asyncio.create_task(self._open(delay))
                await asyncio.wait([opening, stopping], return_when=asyncio.FIRST_COMPLETED)
                if not opening.done():
                    opening.cancel()
                    await asyncio.wait([opening])
                    return
                await self._receive(opening.result())
                delay = self._backoff.failed()
        finally:
            stopping.cancel()

    def _stop(self) -> None:
        self._stopping = True
        self._wake.set()

    async def _open(self, delay: float) -> Session:
        """A session that has subscribed, after as many attempts as it takes; the first after `delay` seconds."""
        while True:
            await asyncio.sleep(delay)
            try:
                return await self._connect()
            except SessionError as error:
                delay = self._backoff.failed()
                if str(error) != self._trouble:
                    self._trouble = str(error)
                    self._say(f"{error}; trying again")

    async def _connect(self) -> Session:
        # Packet ids belong to a connection: what an earlier one left here comes again.
        self._arrived, self._size = [], 0
        session: Session | None = None

        def arrived(messages: list[Publish]) -> None:
            self._arrived += messages
            self._size += sum(len(message.payload) for message in messages)
            if self._size > MOST_WAITING and session is not None:
                session.pause_reading()
            self._wake.set()

        session = await self._connector.connect(arrived)
        try:
            codes = await session.subscribe(self._filters)
            refused = [topic for (topic, _), code in zip(self._filters, codes, strict=True) if code != 1]
            if refused:
                raise SessionError(f"the broker does not grant QoS 1 for {', '.join(refused)}; see its access list")
        except BaseException:
            await session.close()
            raise
        self._backoff.succeeded()
        self._trouble = ""
        known = "resumed" if session.connack.session_present else "new"
        self._say(f"connected to {session.address}, session {known}")
        return session

    async def _receive(self, session: Session) -> None:
        """Commits and acknowledges, all that came during one commit with the next, until the session ends."""
        session.lost.add_done_callback(lambda _: self._wake.set())
        try:
            while True:
                if self._stopping:
                    session.pause_reading()
                else:
                    session.resume_reading()
                ending = self._stopping or session.lost.done()
                messages, self._arrived, self._size = self._arrived, [], 0
                if messages:
                    self._account.add(await asyncio.to_thread(self._store.add, messages))
                    session.acknowledge(message.packet_id for message in messages if message.qos)
                elif ending:
                    break
                else:
                    await self._wake.wait()
                    self._wake.clear()
        finally:
            await session.close()
        if not self._stopping:
            self._trouble = str(session.lost.result())
            self._say(f"{self._trouble}; connecting again")


def session_name(database: Path) -> str:
    """A session at the broker belongs to one database: what it acknowledged is nowhere else."""
    return f"receive-{hashlib.sha256(bytes(database.resolve())).hexdigest()[:8]}"
