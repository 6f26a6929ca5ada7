"""The sink side of the wiring: segments go out, outcomes come back, and trouble is waited out."""

import asyncio
from collections import Counter, deque
from typing import Any

from collector.backoff import Backoff
from collector.contracts import Outcome, Sink
from collector.errors import SinkError
from collector.log import events
from collector.segment import Part, Segment
from collector.spool.spool import Spool


class SinkDelivery:
    """Runs one sink for as long as it is not cancelled, and keeps its figures."""

    def __init__(self, name: str, sink: Sink, spool: Spool, backoff: Backoff) -> None:
        self.name = name
        self.sink = sink
        self.state = "connecting"
        self.attempts: Counter[str] = Counter()
        self.backoff_seconds = 0.0
        self.last_error: str | None = None
        self._spool = spool
        self._backoff = backoff
        self._unsettled: deque[Segment] = deque()
        """Handed out by the spool and not settled yet; they go first on the next connection."""

    async def run(self) -> None:
        """Delivers while connected, backs off when not. Ends by cancellation only, then closes the sink."""
        try:
            while True:
                await self._once()
        finally:
            self.state = "stopped"
            await self.sink.close()

    async def _once(self) -> None:
        """One connection, from opening it to waiting out what ended it."""
        try:
            lost = await self.sink.open()
        except SinkError as error:
            self.attempts["unreachable"] += 1
            trouble = _outcome(error)
        else:
            if lost is not None:
                self._reached()
            trouble = await self._deliver_until(lost)
        self._spool.ready(self.name, False)
        await self.sink.close()
        await self._wait(trouble)

    def _reached(self) -> None:
        """The far end has answered."""
        if self.state == "connected":
            return
        self.state, self.last_error, self.backoff_seconds = "connected", None, 0.0
        self._backoff.succeeded()
        events.SINK_CONNECTED.log("sink %s: connected", self.name, sink=self.name)
        self._spool.ready(self.name, True)

    async def _deliver_until(self, lost: "asyncio.Future[SinkError] | None") -> Outcome:
        """Keeps up to `concurrency` deliveries in flight; returns what stopped it, with none in flight any more."""
        trouble: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        deliveries: set[asyncio.Task[None]] = set()
        pump = asyncio.create_task(self._pump(trouble, deliveries))
        ends: list[asyncio.Future[Any]] = [trouble] if lost is None else [trouble, lost]
        try:
            await asyncio.wait([*ends, pump], return_when=asyncio.FIRST_COMPLETED)
        finally:
            pump.cancel()
            await asyncio.wait([pump])
            if not any(end.done() for end in ends):
                for delivery in deliveries:
                    delivery.cancel()
            if deliveries:
                await asyncio.wait(deliveries)
        if not pump.cancelled() and (error := pump.exception()) is not None:
            raise error
        outcome = trouble.result() if trouble.done() else Outcome("retry")
        if lost is not None and lost.done() and outcome.verdict == "retry":
            # What ended the connection says more than that it is gone.
            return _outcome(lost.result())
        return outcome

    async def _pump(self, trouble: "asyncio.Future[Outcome]", deliveries: set[asyncio.Task[None]]) -> None:
        slots = asyncio.Semaphore(self.sink.concurrency)
        while True:
            await slots.acquire()
            if deliveries and self.state != "connected":
                # One goes ahead to see whether the far end answers at all.
                await asyncio.wait(deliveries)
            segment = self._unsettled.popleft() if self._unsettled else await self._spool.next(self.name)
            delivery = asyncio.create_task(self._deliver(segment, trouble))
            deliveries.add(delivery)
            delivery.add_done_callback(deliveries.discard)
            delivery.add_done_callback(lambda _: slots.release())

    async def _deliver(self, segment: Segment, trouble: "asyncio.Future[Outcome]") -> None:
        """Settles one segment, in halves where it is too large, or leaves it for the next connection."""
        parts = deque(self._parts(segment))
        try:
            while parts:
                part = parts.popleft()
                outcome = await self._attempt(part)
                self.attempts[outcome.verdict] += 1
                if outcome.verdict not in ("retry", "hold"):
                    self._reached()
                if outcome.verdict == "too large":
                    if part.hi - part.lo > 1:
                        parts.extendleft(reversed(part.halves()))
                        continue
                    outcome = Outcome(dead={part.lo: outcome.reason})
                for reason in set(outcome.dead.values()):
                    count = sum(1 for why in outcome.dead.values() if why == reason)
                    events.READING_DEAD.log(
                        "sink %s: %d readings refused for good (%s): kept as dead letters",
                        *(self.name, count, reason),
                        sink=self.name,
                    )
                self._spool.settle(self.name, part, outcome)
                if outcome.verdict in ("retry", "hold"):
                    if not trouble.done():
                        trouble.set_result(outcome)
                    return
        finally:
            if self._spool.parts(self.name, segment):
                self._unsettled.append(segment)

    def _parts(self, segment: Segment) -> list[Part]:
        """What is left of a segment that was split before must go out as the pieces it was split into."""
        parts = self._spool.parts(self.name, segment)
        return [piece for part in parts for piece in part.within_halves()] if self.sink.whole else parts

    async def _attempt(self, part: Part) -> Outcome:
        """A sink never raises; one that does is a fault of ours, and no reason to lose or block anything."""
        try:
            return await self.sink.deliver(part)
        except Exception as error:
            events.INTERNAL_ERROR.log(
                "sink %s: internal error; please report it", self.name, exc_info=True, sink=self.name
            )
            return Outcome("retry", reason=f"internal error: {error!r}")

    async def _wait(self, trouble: Outcome) -> None:
        """Backs off. One line when the state or its reason changes; a sink that holds is told as what it is."""
        self._unsettled = deque(sorted(self._unsettled, key=lambda segment: segment.id))
        state = "held" if trouble.verdict == "hold" else "waiting"
        delay = self._backoff.failed(trouble.delay)
        if state != self.state or trouble.reason != self.last_error:
            event, consequence = (
                (events.SINK_HELD, "keeping everything until it lets us in; see to it")
                if state == "held"
                else (events.SINK_BACKOFF, "keeping readings")
            )
            event.log(
                "sink %s: %s; %s, next try in %.1f s",
                *(self.name, trouble.reason, consequence, delay),
                sink=self.name,
            )
        self.state, self.last_error, self.backoff_seconds = state, trouble.reason, delay
        await asyncio.sleep(delay)


def _outcome(error: SinkError) -> Outcome:
    return Outcome("hold" if error.hold else "retry", reason=str(error), delay=error.delay)
