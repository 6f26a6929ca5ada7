"""The sink side of the wiring, with a sink that answers as told and a spool on disk."""

import asyncio
import logging
from collections.abc import Callable, Iterable

import pytest

from collector.backoff import Backoff
from collector.contracts import Outcome
from collector.delivery import SinkDelivery
from collector.errors import SinkError
from collector.log.rate import RateLimit
from collector.segment import Part
from tests.spool.rig import Rig

Answer = Callable[[Part], Outcome]


class Scripted:
    """Remembers every attempt as (first seq, last seq)."""

    concurrency = 2
    whole = False

    def __init__(self, answer: Answer = lambda part: Outcome(), *, refusals: Iterable[str] = ()) -> None:
        self.answer = answer
        self.refusals = iter(refusals)
        self.attempts: list[tuple[int, int]] = []
        self.opened = 0
        self.closed = 0
        self.lost: asyncio.Future[SinkError]

    async def open(self) -> "asyncio.Future[SinkError]":
        for refusal in self.refusals:
            raise SinkError(refusal)
        self.opened += 1
        self.lost = asyncio.get_running_loop().create_future()
        return self.lost

    async def deliver(self, part: Part) -> Outcome:
        await asyncio.sleep(0)
        self.attempts.append((part.first_seq, part.last_seq))
        return self.answer(part)

    async def close(self) -> None:
        self.closed += 1


@pytest.fixture(autouse=True)
def nobody_is_ready(rig: Rig) -> None:
    """The delivery itself says when its sink is."""
    rig.spool.ready("cloud", False)


async def work(rig: Rig, sink: Scripted, done: Callable[[], bool]) -> SinkDelivery:
    """Runs the delivery until `done`, then cancels it as a stop does."""
    delivery = SinkDelivery("cloud", sink, rig.spool, Backoff(0.001, 0.002, now=rig.clock.monotonic))
    running = asyncio.create_task(delivery.run())
    async with asyncio.timeout(10):
        while not done():  # noqa: ASYNC110
            await asyncio.sleep(0.001)
    state = delivery.state
    running.cancel()
    await asyncio.wait([running])
    delivery.state = state
    return delivery


def fill(rig: Rig, segments: int, count: int = 10) -> None:
    for number in range(segments):
        rig.append(range(number * count + 1, (number + 1) * count + 1))
        rig.spool.flush()


async def test_segments_are_delivered_in_order_and_the_books_balance(rig: Rig) -> None:
    fill(rig, 5)
    sink = Scripted()
    books = rig.spool.tail.state.sinks["cloud"]
    await work(rig, sink, lambda: books.delivered == 50)
    assert sorted(sink.attempts) == [(1, 10), (11, 20), (21, 30), (31, 40), (41, 50)]
    assert (books.pending, rig.remainder(), sink.closed) == (0, 0, 1)


async def test_what_is_to_be_retried_goes_first_after_the_next_connection(rig: Rig) -> None:
    fill(rig, 3)
    failures = iter([Outcome("retry", reason="quota exceeded")])
    sink = Scripted(lambda part: next(failures, Outcome()))
    books = rig.spool.tail.state.sinks["cloud"]
    await work(rig, sink, lambda: books.delivered == 30)
    assert sink.opened == 2
    assert sink.attempts.count((1, 10)) == 2
    assert rig.remainder() == 0


async def test_partial_outcomes_retry_only_the_rest(rig: Rig) -> None:
    fill(rig, 1)
    first = iter([Outcome("retry", settled=range(4), reason="lost")])
    sink = Scripted(lambda part: next(first, Outcome()))
    books = rig.spool.tail.state.sinks["cloud"]
    await work(rig, sink, lambda: books.delivered == 10)
    assert sink.attempts == [(1, 10), (5, 10)]


async def test_too_large_splits_in_the_same_halves_down_to_the_one_that_is(rig: Rig) -> None:
    fill(rig, 1, count=8)

    def answer(part: Part) -> Outcome:
        return Outcome("too large", reason="413") if part.first_seq <= 3 <= part.last_seq else Outcome()

    sink = Scripted(answer)
    books = rig.spool.tail.state.sinks["cloud"]
    await work(rig, sink, lambda: books.pending == 0)
    assert sink.attempts == [(1, 8), (1, 4), (1, 2), (3, 4), (3, 3), (4, 4), (5, 8)]
    assert (books.delivered, books.dead, rig.remainder()) == (7, 1, 0)
    assert [letter.seq for letter in rig.spool.tail.state.dead] == [3]


async def test_hold_keeps_everything_and_says_so(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    fill(rig, 2)
    sink = Scripted(lambda part: Outcome("hold", reason="Not authorized (0x87)"))
    with caplog.at_level(logging.INFO, "edge_collector"):
        delivery = await work(rig, sink, lambda: sink.opened > 3)
    books = rig.spool.tail.state.sinks["cloud"]
    assert (books.delivered, books.pending) == (0, 20)
    assert delivery.last_error == "Not authorized (0x87)" or delivery.state == "connected"
    assert "keeping everything until it lets us in" in caplog.text


async def said_while_refused(refusals: list[str], rig: Rig, caplog: pytest.LogCaptureFixture) -> list[str]:
    sink = Scripted(refusals=refusals)
    with caplog.at_level(logging.INFO, "edge_collector"):
        await work(rig, sink, lambda: sink.opened == 1)
    return [record.getMessage().split(";")[0] for record in caplog.records]


async def test_attempts_that_fail_the_same_way_are_one_line(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    said = await said_while_refused(["connection refused"] * 10, rig, caplog)
    assert said == ["sink cloud: connection refused", "sink cloud: connected"]


async def test_another_reason_is_another_line(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    reasons = ["no route", "no route", "connection refused", "certificate expired", "certificate expired"]
    assert await said_while_refused(reasons, rig, caplog) == [
        *("sink cloud: no route", "sink cloud: connection refused", "sink cloud: certificate expired"),
        "sink cloud: connected",
    ]


async def test_a_reason_that_always_changes_floods_no_log(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    said = await said_while_refused([f"refused, request {number}" for number in range(100)], rig, caplog)
    assert len(said) == 101
    limit = RateLimit(lambda: 0.0)
    written = [record for record in caplog.records if limit.admit(record) is not None]
    assert len(written) == 11, "ten, and that it is connected"


async def test_a_lost_connection_is_opened_again(rig: Rig) -> None:
    sink = Scripted()
    books = rig.spool.tail.state.sinks["cloud"]

    def connected_twice() -> bool:
        if sink.opened == 1 and not sink.lost.done():
            sink.lost.set_result(SinkError("the broker closed the connection"))
            fill(rig, 1)
        return sink.opened == 2 and books.delivered == 10

    await work(rig, sink, connected_twice)


class Connectionless(Scripted):
    """Nothing stands between deliveries, as with HTTP."""

    concurrency = 4
    whole = True

    async def open(self) -> None:  # type: ignore[override]
        await super().open()


async def test_without_a_connection_the_first_answer_says_connected(rig: Rig) -> None:
    fill(rig, 6)
    ready: list[bool] = []
    failures = iter([Outcome("retry", reason="connection refused")] * 3)

    def answer(part: Part) -> Outcome:
        ready.append(rig.spool._outlets["cloud"].ready)
        return next(failures, Outcome())

    sink = Connectionless(answer)
    books = rig.spool.tail.state.sinks["cloud"]
    await work(rig, sink, lambda: books.delivered == 60)
    assert sink.attempts[:4] == [(1, 10)] * 4, "one goes ahead until the far end has answered"
    assert ready == [False] * 4 + [True] * 5


async def test_a_sink_without_a_connection_costs_no_commit_while_nobody_has_failed(rig: Rig) -> None:
    rig.spool.ready("cloud", True)  # as a start leaves it
    rig.append([1])
    rig.spool.flush()
    rig.clock.now += 2
    await rig.spool.tend()
    assert rig.spool.commits.seconds.count == 0, "commit_after is for sinks that are away"
    books = rig.spool.tail.state.sinks["cloud"]
    await work(rig, Connectionless(), lambda: books.delivered == 1)
    assert rig.spool._outlets["cloud"].ready


async def test_a_split_that_was_cut_short_goes_on_with_the_same_pieces(rig: Rig) -> None:
    fill(rig, 1, count=16)
    lost = iter([Outcome("retry", reason="no answer")])

    def answer(part: Part) -> Outcome:
        if part.hi - part.lo > 4:
            return Outcome("too large", reason="413")
        return next(lost, Outcome()) if part.lo == 4 else Outcome()

    sink = Connectionless(answer)
    books = rig.spool.tail.state.sinks["cloud"]
    await work(rig, sink, lambda: books.delivered == 16)
    split = [(1, 16), (1, 8), (1, 4), (5, 8)]
    assert sink.attempts == [*split, (5, 8), (9, 16), (9, 12), (13, 16)]


async def test_readings_gather_while_the_sink_is_away(rig: Rig) -> None:
    rig.spool.ready("cloud", True)
    away = Scripted(refusals=["no route to host"] * 1000)
    await work(rig, away, lambda: not rig.spool._outlets["cloud"].ready)
    await work(rig, Scripted(), lambda: rig.spool._outlets["cloud"].ready)


async def test_a_sink_that_raises_loses_nothing(rig: Rig) -> None:
    fill(rig, 1)
    faults = iter([ValueError("a bug")])

    def answer(part: Part) -> Outcome:
        for fault in faults:
            raise fault
        return Outcome()

    books = rig.spool.tail.state.sinks["cloud"]
    await work(rig, Scripted(answer), lambda: books.delivered == 10)
    assert rig.remainder() == 0
