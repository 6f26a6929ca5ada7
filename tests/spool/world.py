"""The spool between brokers and receivers, and beside it a plain account of every reading."""

import asyncio
import contextlib
import os
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from collector.backoff import Backoff
from collector.config.model import SpoolSection
from collector.intake import SourceIntake
from collector.reading import Decoded
from collector.segment import Part, Segment
from collector.sinks import wire
from collector.spool.spool import Spool
from tests.spool.clock import HandClock
from tests.spool.deadly import Killed, Machine
from tests.spool.far_ends import WINDOW, Broker, Message, Receiver, noise

SINKS = ("cloud", "file", "backup")
SOURCES = ("meter", "air")
SECOND = 10**9


class World:
    """What the steps act upon: the spool of this life, its far ends, and the account."""

    def __init__(self, root: Path, section: SpoolSection) -> None:
        self.machine = Machine(root)
        self.section = section
        self.clock = HandClock()
        self.spool: Spool
        self.sinks: Sequence[str] = SINKS[:2]
        self.brokers = {name: Broker(name, self._take, self._promise) for name in SOURCES}
        self.receivers = {name: Receiver() for name in SINKS}
        self.held: dict[str, list[Segment]] = {}
        """By sink, segments handed out in this run and not settled yet."""
        self.last = 0
        self.contents: list[bytes] = []
        # The account, by number of the reading.
        self.taken: set[int] = set()
        """Decoded, and handed to the spool as new."""
        self.promised: set[int] = set()
        """Acknowledged, or told safe."""
        self.refused: set[int] = set()
        """Safe only because they were dropped, and counted, at once."""
        self.wanted: dict[str, set[int]] = {name: set() for name in SINKS}
        """By sink, what was taken in while it was configured."""
        self.unsure: set[int] = set()
        """Nobody was told, and nothing is told of them again: here or lost."""
        self.may_double: set[int] = set()
        self.late: set[int] = set()
        """Out of order: they were dead letters."""
        self.names: dict[str, int] = {}
        self.bodies: dict[tuple[str, int, int], bytes] = {}
        self.exact = self.ordered = self.final = True
        """False once the power, the journal or the database was lost; `final` stands for times that a sink saw."""
        self._waiting: deque[tuple[int, set[int]]] = deque()
        self._safe = 0

    # Life and death.

    async def open(self) -> None:
        for _ in range(10):
            try:
                await self._open()
                return
            except Killed:
                self._lose()
                self.machine.rise()
        raise AssertionError("dies at every start")

    async def _open(self) -> None:
        self._waiting.clear()
        self._safe = 0
        self.held = {name: [] for name in self.sinks}
        spool = await Spool.open(
            self.section,
            self.machine.data,
            self.clock,
            sinks=self.sinks,
            windows=dict.fromkeys(SOURCES, WINDOW),
            on_safe=self._on_safe,
            on_held_back=lambda held_back: None,
        )
        self.spool = spool
        spool.append = self._append  # type: ignore[method-assign]
        for name, broker in self.brokers.items():
            broker.intake = self._intake(name, broker)
        try:
            for broker in self.brokers.values():
                broker.reconnect(present=True)
        except Killed:
            await self.let_go()
            raise

    def _intake(self, name: str, broker: Broker) -> SourceIntake:
        backoff = Backoff(1, 2, now=self.clock.monotonic)
        return SourceIntake(name, broker, broker, lambda device, topic: name, self.spool, self.clock, backoff)

    async def let_go(self) -> None:
        """Of the files of the life that has ended."""
        if self.spool._seal_timer is not None:
            self.spool._seal_timer.cancel()
        await self.spool.database.close()
        self.spool.journal.close()
        with contextlib.suppress(OSError):
            os.close(self.spool._lock_fd)

    async def kill(self, *, power: bool = False, full: int = 0) -> None:
        self.machine.power = power
        self.machine.fall()
        await self.rebirth(full)

    async def rebirth(self, full: int = 0) -> None:
        await self.let_go()
        self._lose()
        self.machine.rise(full)
        await self.open()

    def _lose(self) -> None:
        """What the death of the process may cost: nothing, unless the memory behind the journal goes with it."""
        if self.machine.power or not self.spool.tail.journaled:
            self.lose_memory(doubles=self.machine.power and self.section.durability == "normal")
        if self.machine.power:
            self.clock.boot, self.clock.now = self.clock.boot + "+", 200.0

    def lose_memory(self, *, doubles: bool) -> None:
        """What was told safe stays; `doubles`: what is in flight may become another reading."""
        self.exact = False
        if doubles:
            self.may_double |= self.in_flight()
            self.ordered = False
        self.unsure |= set(range(1, self.last + 1)) - self.promised - self.in_flight()
        self.unsure |= self.in_flight(twins=True)
        for broker in self.brokers.values():
            broker.doubt()

    def in_flight(self, *, twins: bool = False) -> set[int]:
        """Numbers in messages that come again."""
        messages = [message for broker in self.brokers.values() for message in broker.in_flight.values()]
        return {n for message in messages if message.twin >= twins for n in message.numbers}

    # What the spool is given.

    def _append(self, source: str, readings: Any, origins: Any, size: int) -> int:
        numbers = {reading.fields["n"] for reading in readings}
        try:
            id = Spool.append(self.spool, source, readings, origins, size)
        except Killed:
            self.unsure |= numbers - self.in_flight()
            raise
        if id <= self.spool.tail.safe:
            self.refused |= numbers
        else:
            self._waiting.append((id, numbers))
        return id

    def _on_safe(self, through: int) -> None:
        assert through > self._safe, "safe ids go up"
        self._safe = through
        while self._waiting and self._waiting[0][0] <= through:
            self.promised |= self._waiting.popleft()[1]
        for broker in self.brokers.values():
            broker.intake.safe(through)

    def _promise(self, numbers: Sequence[int]) -> None:
        assert set(numbers) <= self.taken | self.unsure, f"{numbers} were acknowledged and never taken in"
        self.promised |= set(numbers)

    def _take(self, source: str, message: Message) -> None:
        self.taken |= set(message.numbers)
        for name, wanted in self.wanted.items():
            if name in self.sinks:
                wanted |= set(message.numbers)
            elif self.exact:
                wanted -= set(message.numbers)

    def message(self, readings: int, size: int, like: bytes | None = None) -> Message:
        numbers = list(range(self.last + 1, self.last + 1 + readings))
        self.last += readings
        self.contents.append(noise(numbers[0], size) if like is None else like)
        return Message(self.contents[-1], numbers, like is not None)

    def publish(self, source: str, pattern: str, readings: int, size: int, *, heard: bool = True) -> None:
        """`pattern`: a letter for each message: (t)oken, (w)ith the bytes of an earlier one, (l)oose: no token."""
        earlier = [self.brokers[source].repeatable() or content for content in self.contents[-20:]]
        like = earlier[0] if earlier else None
        made = [(self.message(readings, size, like if kind == "w" else None), kind != "l") for kind in pattern]
        self.brokers[source].publish(made, heard=heard)

    def measure(self, readings: int) -> None:
        """A source without messages."""
        message = self.message(readings, 20)
        self._take("host", message)
        intake = self._intake("host", self.brokers["air"])
        intake.readings([Decoded(None, {"n": n, "noise": ""}) for n in message.numbers])

    # What the sinks do.

    async def take(self, sink: str) -> Segment | None:
        """What the sink was given and has not settled, else the next segment; None when there is none."""
        if self.held[sink]:
            return self.held[sink].pop(0)
        outlet, idle = self.spool._outlets[sink], asyncio.Event()

        async def wait() -> None:
            idle.set()
            outlet.wake.clear()
            await outlet.wake.wait()
            idle.clear()

        outlet._wait = wait  # type: ignore[method-assign]
        task = asyncio.create_task(self.spool.next(sink))
        try:
            for _ in range(20):
                resting = asyncio.create_task(idle.wait())
                await asyncio.wait({task, resting}, return_when=asyncio.FIRST_COMPLETED)
                resting.cancel()
                if task.done():
                    return task.result()
                await self.spool.tend()
                if not outlet.wake.is_set() and not task.done():
                    return None
            raise AssertionError(f"{sink} wakes up for nothing")
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait({task})
            elif not task.cancelled():
                task.exception()

    async def deliver(self, sink: str, answer: str) -> bool:
        """The sink takes a segment and answers; whether there was one."""
        segment = await self.take(sink)
        if segment is None:
            return False
        spool = self.spool
        parts = deque(spool.parts(sink, segment))
        if sink == "cloud":
            parts = deque(piece for part in parts for piece in part.within_halves())
        try:
            while parts:
                part = parts.popleft()
                self.see(part)
                if answer == "too large" and part.hi - part.lo > 1:
                    parts.extendleft(reversed(part.halves()))
                    continue
                outcome = self.receivers[sink].answer(part, answer, self.late, ordered=self.ordered)
                spool.settle(sink, part, outcome)
                if outcome.verdict == "retry":
                    break
        finally:
            if spool.parts(sink, segment):
                self.held[sink] = sorted([*self.held[sink], segment], key=lambda segment: segment.id)
        return True

    def see(self, part: Part) -> None:
        """An identity stands for one reading for ever, and the same part is the same bytes."""
        segment = part.segment
        for at, reading in enumerate(segment.readings()[part.lo : part.hi], part.first_seq):
            identity, n = f"{segment.epoch}/{at}", reading.fields["n"]
            if identity not in self.names and n in self.names.values():
                assert n in self.may_double, f"{n} has two names"
            assert self.names.setdefault(identity, n) == n, "an identity was used twice"
        key = segment.epoch, part.first_seq, part.last_seq
        body = wire.batch("box", part)
        assert self.bodies.setdefault(key, body) == body or not self.final, "sent again it is the same bytes"

    async def open_with(self, sinks: Sequence[str]) -> None:
        """A clean restart with these sinks configured."""
        self.machine.full = self.machine.countdown = 0
        self.machine.journal_full = False
        await self.spool.close()
        self.machine.power = False
        self.machine.fall()
        self.sinks = sinks
        self.machine.rise()
        await self.open()
