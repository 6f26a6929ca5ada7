"""What every sink owes the wiring, proved over all of them with the wiring itself and a spool on disk."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from collector.backoff import Backoff
from collector.delivery import SinkDelivery
from collector.errors import SinkError
from collector.segment import Part
from tests.sinks.far_ends import FarEnd, FileFarEnd, HttpFarEnd, MqttFarEnd, Word
from tests.sources.intake import until
from tests.spool.rig import Rig

KINDS: dict[str, Callable[[Path, pytest.MonkeyPatch], MqttFarEnd | HttpFarEnd | FileFarEnd]] = {
    "mqtt reading": lambda directory, monkeypatch: MqttFarEnd("reading"),
    "mqtt batch": lambda directory, monkeypatch: MqttFarEnd("batch"),
    "http": lambda directory, monkeypatch: HttpFarEnd(),
    "file": FileFarEnd,
}
REFUSING = [kind for kind in KINDS if kind != "file"]


@pytest.fixture(params=list(KINDS))
async def far(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FarEnd]:
    async with KINDS[request.param](tmp_path / "far", monkeypatch).running() as far:
        yield far


@pytest.fixture(autouse=True)
def nobody_is_ready(rig: Rig) -> None:
    """The delivery itself says when its sink is."""
    rig.spool.ready("cloud", False)


@asynccontextmanager
async def delivering(rig: Rig, far: FarEnd) -> AsyncIterator[SinkDelivery]:
    delivery = SinkDelivery("cloud", far.sink(), rig.spool, Backoff(0.001, 0.01, now=rig.clock.monotonic))
    running = asyncio.create_task(delivery.run())
    try:
        yield delivery
        assert not running.done()
    finally:
        running.cancel()
        await asyncio.wait([running])


def fill(rig: Rig, *counts: int) -> list[str]:
    """A segment of each of `counts` readings; the identities that must arrive."""
    state = rig.spool.tail.state
    for count in counts:
        seq = state.next_seq if hasattr(state, "next_seq") else 0
        rig.append(range(seq, seq + count))
        rig.spool.flush()
    return [
        f"box/{segment.epoch}/{segment.first_seq + at}"
        for segment in rig.spool.tail.segments.values()
        for at in range(segment.count)
    ]


def settled(rig: Rig) -> bool:
    books = rig.spool.tail.state.sinks["cloud"]
    return books.pending == 0 and books.received > 0


async def parts(rig: Rig) -> list[Part]:
    segments = [await rig.spool.next("cloud") for _ in rig.spool.tail.segments]
    return [part for segment in segments for part in rig.spool.parts("cloud", segment)]


def once(word: Word, *, at: int) -> Callable[[list[str]], Word]:
    """Takes everything, but says `word` to the unit that comes as number `at`, counted from 0."""
    words: list[Word] = ["take"] * at + [word]
    return lambda identities: words.pop(0) if words else "take"


async def test_everything_arrives_once_and_in_order(far: FarEnd, rig: Rig) -> None:
    expected = fill(rig, 5, 1, 20)
    sink = far.sink()
    await sink.open()
    for part in await parts(rig):
        assert (await sink.deliver(part)).verdict == "settled"
    await sink.close()
    assert far.taken() == expected


async def test_the_wiring_brings_everything_and_the_books_balance(far: FarEnd, rig: Rig) -> None:
    expected = fill(rig, 5, 1, 20, 3, 3)
    async with delivering(rig, far) as delivery:
        await until(lambda: settled(rig))
        assert delivery.state == "connected"
    assert sorted(far.taken()) == sorted(expected)
    assert rig.remainder() == 0


@pytest.mark.parametrize("at", [0, 1, 3])
async def test_what_was_lost_on_the_way_comes_again_under_the_same_identities(far: FarEnd, rig: Rig, at: int) -> None:
    expected = fill(rig, 4, 4, 4)
    far.answer = once("take and vanish", at=at)
    async with delivering(rig, far):
        await until(lambda: settled(rig))
    assert set(far.taken()) == set(expected)
    if not far.refuses:
        assert far.taken() == expected
    again = [unit for unit in far.units if [identities for identities, _ in far.units].count(unit[0]) > 1]
    assert len({content for _, content in again}) == len({tuple(identities) for identities, _ in again})


@pytest.mark.parametrize("far", REFUSING, indirect=True)
@pytest.mark.fault(34)
async def test_one_poisoned_reading_is_a_dead_letter_and_the_rest_flows(far: FarEnd, rig: Rig) -> None:
    expected = fill(rig, 8, 8)
    poison = expected[2]
    far.answer = lambda identities: "refuse" if poison in identities else "take"
    async with delivering(rig, far):
        await until(lambda: settled(rig))
    assert sorted(far.taken()) == sorted(identity for identity in expected if identity != poison)
    (letter,) = rig.spool.tail.state.dead
    assert f"box/{letter.epoch}/{letter.seq}" == poison
    assert letter.reason
    assert rig.remainder() == 0


@pytest.mark.parametrize("far", REFUSING, indirect=True)
@pytest.mark.fault(35)
async def test_not_authorised_keeps_everything_until_it_is(
    far: FarEnd, rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    expected = fill(rig, 8, 8)
    books = rig.spool.tail.state.sinks["cloud"]
    far.answer = lambda identities: "not authorised"
    with caplog.at_level(logging.INFO, "edge_collector"):
        async with delivering(rig, far) as delivery:
            await until(lambda: delivery.attempts["hold"] > 2 and delivery.state == "held")
            assert (books.delivered, books.dead, books.pending) == (0, 0, 16)
            assert "keeping everything until it lets us in" in caplog.text
            far.answer = lambda identities: "take"
            await until(lambda: settled(rig))
    assert sorted(far.taken()) == sorted(expected)


@pytest.mark.parametrize("far", REFUSING, indirect=True)
async def test_too_large_splits_and_a_loss_in_the_middle_keeps_the_pieces(far: FarEnd, rig: Rig) -> None:
    expected = fill(rig, 16)
    vanished: list[list[str]] = []

    def answer(identities: list[str]) -> Word:
        if len(identities) > 3:
            return "too large"
        if identities[0] == expected[6] and not vanished:
            vanished.append(identities)
            return "take and vanish"
        return "take"

    far.answer = answer
    async with delivering(rig, far):
        await until(lambda: settled(rig))
    assert vanished and sorted(set(far.taken())) == sorted(expected)
    sizes = {len(identities) for identities, _ in far.units}
    assert sizes in ({1}, {16, 8, 4, 2}), "only the halves of halves ever go out"
    assert rig.spool.tail.state.sinks["cloud"].dead == 0


async def test_away_is_one_line_and_back_is_another(far: FarEnd, rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    expected = fill(rig, 4)
    await far.leave()
    with caplog.at_level(logging.INFO, "edge_collector"):
        async with delivering(rig, far) as delivery:
            await until(lambda: sum(delivery.attempts.values()) > 5 and delivery.state == "waiting")
            assert not rig.spool._outlets["cloud"].ready, "readings gather for a sink that is away"
            await far.come()
            await until(lambda: settled(rig))
    said = [record.getMessage() for record in caplog.records if record.getMessage().startswith("sink cloud: ")]
    assert len(said) == 2 and "keeping readings" in said[0]
    assert said[1] == "sink cloud: connected"
    assert far.taken() == expected


async def test_close_is_idempotent_and_opens_again(far: FarEnd, rig: Rig) -> None:
    expected = fill(rig, 2, 2)
    first, second = await parts(rig)
    sink = far.sink()
    await sink.close()
    assert (await sink.deliver(first)).verdict == "retry"
    await sink.open()
    assert (await sink.deliver(first)).verdict == "settled"
    await sink.close()
    await sink.close()
    assert (await sink.deliver(second)).verdict == "retry"
    await sink.open()
    assert (await sink.deliver(second)).verdict == "settled"
    await sink.close()
    assert far.taken() == expected


async def test_whatever_happens_deliver_answers(far: FarEnd, rig: Rig) -> None:
    fill(rig, 2, 2)
    sink = far.sink()
    await sink.open()
    first, second = await parts(rig)
    far.answer = lambda identities: "take and vanish"
    assert (await sink.deliver(first)).verdict == "retry"
    await far.leave()
    outcome = await sink.deliver(second)
    assert outcome.verdict == "retry" and outcome.reason
    await sink.close()
    try:
        if await sink.open() is None:
            assert (await sink.deliver(second)).verdict == "retry"
    except SinkError as error:
        assert "\n" not in str(error)
    await sink.close()


async def test_a_delivery_that_is_cancelled_leaves_nothing_open(far: FarEnd, rig: Rig) -> None:
    expected = fill(rig, 200)
    sink = far.sink()
    await sink.open()
    (part,) = await parts(rig)
    delivering = asyncio.create_task(sink.deliver(part))
    await asyncio.sleep(0)
    delivering.cancel()
    await asyncio.wait([delivering])
    await sink.close()
    await sink.open()
    assert (await sink.deliver(part)).verdict == "settled"
    await sink.close()
    assert set(far.taken()) == set(expected)
    if not far.refuses:
        assert far.taken() == expected
