"""Delivery waits for the clock after a boot; what came before is re-dated, and the first delivery is final."""

import asyncio
import json
import logging
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from collector.clock import Regime
from collector.contracts import Outcome
from collector.reading import Reading
from collector.segment import Part, Segment
from collector.sinks import wire
from collector.spool import letters
from tests.spool.rig import Rig

HOUR = 3600 * 10**9
OFFSET = 1_700_000_000_000_000_000
"""Of the hand clock: what is right after synchronisation."""


@pytest.fixture
async def young(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Rig]:
    """A spool of two sinks, ten seconds after a boot, on a machine whose clock is a day behind."""
    (runtime := tmp_path / "run").mkdir()
    monkeypatch.setattr("collector.spool.spool.journal_directory", lambda data_dir: (runtime, True))
    rig = Rig(tmp_path / "data", sinks=("cloud", "file"))
    rig.clock.now, rig.clock.synchronised = 10.0, False
    rig.clock.offset_ns -= 24 * HOUR
    await rig.open()
    yield rig
    await rig.spool.close()


def take(rig: Rig, value: int = 0, **more: Any) -> int:
    """A reading stamped now, in a segment of its own; returns when by boot time."""
    at = int(rig.clock.now * 1e9)
    clock = "synced" if rig.clock.synchronised else "unsynced"
    rig.spool.append("meter", [Reading(0, "meter", "m", rig.clock.wall_ns(), clock, {"n": value}, **more)], [], 10)
    rig.spool.flush()
    return at


async def synchronise(rig: Rig) -> None:
    rig.clock.offset_ns, rig.clock.synchronised = OFFSET, True
    await rig.spool.tend()


async def show(rig: Rig, sink: str = "cloud") -> Segment:
    """The next segment; commits meanwhile if one is due."""
    coming = asyncio.create_task(rig.spool.next(sink))
    async with asyncio.timeout(10):
        while not coming.done():
            await rig.spool.tend()
            await asyncio.sleep(0)
    return coming.result()


async def crash(rig: Rig) -> None:
    await rig.crash()
    await rig.open()


async def power_cut(rig: Rig) -> None:
    """Nothing of the tmpfs is left; the next boot has its own idea of the time."""
    await rig.crash()
    shutil.rmtree(rig.directory.parent / "run")
    rig.clock.boot, rig.clock.now = rig.clock.boot + "+", 10.0
    await rig.open()


def told(segment: Segment) -> tuple[str, int]:
    """The clock and time of its first reading, as a sink sends them."""
    reading = json.loads(wire.batch("box", Part(segment, 0, segment.count)))["readings"][0]
    return reading["clock"], reading["time_ns"]


async def idle(rig: Rig, sink: str = "cloud") -> bool:
    """Whether the sink gets nothing, however often it is looked."""
    coming = asyncio.create_task(rig.spool.next(sink))
    for _ in range(20):
        await asyncio.sleep(0)
    nothing = not coming.done()
    coming.cancel()
    await asyncio.wait([coming])
    return nothing


async def test_nothing_is_handed_out_while_delivery_waits(young: Rig) -> None:
    take(young)
    assert await idle(young)
    assert young.spool.dating.wait == 110
    young.clock.now = 119.9
    await young.spool.tend()
    assert await idle(young)


@pytest.mark.fault(21)
async def test_the_wait_is_over_two_minutes_after_boot(young: Rig) -> None:
    at = take(young)
    young.clock.now = 120
    await young.spool.tend()
    assert young.spool.dating.wait == 0
    assert told(await show(young)) == ("unsynced", OFFSET - 24 * HOUR + at)


async def test_a_sink_that_waits_gets_going_when_the_wait_is_over(young: Rig) -> None:
    coming = asyncio.create_task(young.spool.next("cloud"))
    take(young)
    await asyncio.sleep(0)
    await synchronise(young)
    async with asyncio.timeout(10):
        while not coming.done():
            await young.spool.tend()
            await asyncio.sleep(0)
    assert told(coming.result())[0] == "corrected"


async def test_what_gathered_while_waiting_is_sealed_when_it_is_over(young: Rig) -> None:
    young.spool.append("meter", [Reading(0, "meter", "m", young.clock.wall_ns(), "unsynced", {})], [], 10)
    assert young.spool._seal_timer is None
    await synchronise(young)
    assert young.spool._seal_timer is not None


async def test_a_process_that_starts_later_waits_no_more(young: Rig) -> None:
    take(young)
    young.clock.now = 7200
    await crash(young)
    assert young.spool.dating.wait == 0
    assert told(await show(young))[0] == "unsynced"


async def test_it_is_said_once_a_start(young: Rig, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "edge_collector"):
        await crash(young)
        for _ in range(3):
            young.clock.now += 1
            await young.spool.tend()
        await synchronise(young)
        await crash(young)
    said = [record.getMessage() for record in caplog.records if "clock" in record.getMessage()]
    assert said == [
        "the clock is not synchronised: delivery waits for it, at most 110 s more (spool.clock_wait); "
        "collecting goes on",
        "the clock is synchronised (+86400.0 s): readings taken before are re-dated at their first delivery",
    ]


async def test_commits_follow_hold_while_delivery_waits(young: Rig) -> None:
    young.spool.ready("cloud", False)
    take(young)
    young.clock.now += 4.9
    await young.spool.tend()
    assert young.safe == 0
    young.clock.now += 0.2
    await young.spool.tend()
    assert young.safe == 1


async def test_a_pressed_source_gets_its_commit_at_once_while_delivery_waits(young: Rig) -> None:
    take(young)
    young.spool.press("meter", True)
    await young.spool.tend()
    assert young.safe == 1


@pytest.mark.fault(21)
async def test_readings_before_the_first_synchronisation_are_re_dated(young: Rig) -> None:
    first = take(young)
    young.clock.now += 30
    second = take(young)
    await synchronise(young)
    third = take(young)
    assert [told(await show(young)) for _ in range(3)] == [
        ("corrected", OFFSET + first),
        ("corrected", OFFSET + second),
        ("synced", OFFSET + third),
    ]


@pytest.mark.fault(21)
async def test_each_unsynchronised_regime_has_its_own_correction(young: Rig) -> None:
    first = take(young)
    young.clock.offset_ns += 3 * HOUR
    second = take(young)
    await synchronise(young)
    assert [told(await show(young))[1] for _ in range(2)] == [OFFSET + first, OFFSET + second]


async def test_the_time_of_a_payload_is_left_alone(young: Rig) -> None:
    young.spool.append("meter", [Reading(0, "meter", "m", 42, "synced", {})], [], 10)
    young.spool.flush()
    await synchronise(young)
    assert told(await show(young)) == ("synced", 42)


async def test_a_dead_letter_keeps_the_time_that_was_sent(young: Rig) -> None:
    at = take(young)
    await synchronise(young)
    segment = await show(young)
    [part] = young.spool.parts("cloud", segment)
    young.spool.settle("cloud", part, Outcome(dead={0: "bad"}))
    [letter] = young.spool.tail.state.dead
    letter_segment = letters.readable(letter)
    assert letter_segment is not None
    [reading] = letter_segment.readings()
    assert reading.time_ns == OFFSET + at
    young.clock.now += 2
    await young.spool.tend()
    assert await letters.requeue(young.spool, lambda letter: True) == 1
    for _ in range(2):
        again = await show(young)
        assert (again.first_seq, told(again)) == (segment.first_seq, told(segment))
        await crash(young)


@pytest.mark.fault(21)
async def test_the_first_delivery_is_final_for_every_sink_and_after_sigkill(young: Rig) -> None:
    young.clock.now = 200
    await young.spool.tend()
    take(young)
    sent = await show(young)
    await synchronise(young)
    assert await show(young, "file") == sent
    for _ in range(2):
        await crash(young)
        assert await show(young) == await show(young, "file") == sent
    assert told(sent)[0] == "unsynced"


async def test_killed_before_the_synchronisation_what_a_sink_saw_stays(young: Rig) -> None:
    young.clock.now = 200
    await young.spool.tend()
    take(young, 1)
    take(young, 2)
    sent = await show(young)
    await crash(young)
    await synchronise(young)
    await crash(young)
    assert await show(young) == sent
    assert [told(sent)[0], told(await show(young))[0]] == ["unsynced", "corrected"]


@pytest.mark.fault(21)
async def test_killed_after_the_synchronisation_the_correction_stays(young: Rig) -> None:
    take(young)
    await synchronise(young)
    await crash(young)
    young.clock.offset_ns += HOUR
    sent = await show(young)
    assert told(sent)[0] == "corrected"
    await crash(young)
    assert await show(young, "file") == sent


async def test_a_power_cut_does_not_take_back_what_a_sink_saw(young: Rig) -> None:
    take(young)
    await young.spool.commit()
    await synchronise(young)
    sent = await show(young)
    assert told(sent)[0] == "corrected"
    await power_cut(young)
    assert await show(young) == sent


async def test_nor_does_it_after_sigkill(young: Rig) -> None:
    """The journal alone told the second run of the synchronisation."""
    take(young)
    await young.spool.commit()
    await synchronise(young)
    await crash(young)
    sent = await show(young)
    assert told(sent)[0] == "corrected"
    await power_cut(young)
    assert await show(young) == sent


async def test_a_boot_that_was_never_synchronised_stays_so(young: Rig) -> None:
    at = take(young)
    await young.spool.commit()
    await power_cut(young)
    await synchronise(young)
    assert told(await show(young)) == ("unsynced", OFFSET - 24 * HOUR + at)


async def test_without_a_journal_a_commit_makes_the_first_delivery_final(
    young: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    take(young)
    await young.spool.commit()
    young.clock.now = 200
    await young.spool.tend()
    with monkeypatch.context() as full:
        full.setattr(young.spool.journal, "append", refuse)
        full.setattr(young.spool.journal, "begin", refuse)
        sent = await show(young)
        await young.crash()
    await young.open()
    await synchronise(young)
    assert await show(young) == sent


async def test_a_clock_that_was_right_once_is_not_corrected_any_more(young: Rig) -> None:
    await synchronise(young)
    young.clock.synchronised = False
    at = take(young)
    await crash(young)
    await young.spool.tend()
    assert young.spool.dating.wait == 0
    young.clock.offset_ns += HOUR
    young.clock.synchronised = True
    await young.spool.tend()
    assert told(await show(young)) == ("unsynced", OFFSET + at)


async def test_a_step_while_synchronised_is_not_corrected(young: Rig) -> None:
    await synchronise(young)
    before = take(young)
    young.clock.offset_ns += HOUR
    after = take(young)
    assert [told(await show(young)) for _ in range(2)] == [
        ("synced", OFFSET + before),
        ("synced", OFFSET + HOUR + after),
    ]


async def test_only_the_first_delivery_of_unsynchronised_readings_is_journaled(young: Rig) -> None:
    young.clock.now = 200
    await young.spool.tend()
    take(young)
    before = young.spool.tail.state.lsn
    await show(young)
    await show(young, "file")
    assert young.spool.tail.state.lsn == before + 1
    await synchronise(young)
    take(young)
    before = young.spool.tail.state.lsn
    await show(young)
    assert young.spool.tail.state.lsn == before


async def test_a_boot_is_forgotten_when_its_readings_are_gone(young: Rig) -> None:
    for _ in range(3):
        take(young)
        await synchronise(young)
        await young.spool.commit()
        young.clock.synchronised = False
        await power_cut(young)
    await synchronise(young)
    assert len(young.spool.tail.state.boots) == 4
    for sink in ("cloud", "file"):
        for _ in range(3):
            segment = await show(young, sink)
            assert segment.correction_ns is not None
            [part] = young.spool.parts(sink, segment)
            young.spool.settle(sink, part, Outcome())
    await young.spool.commit()
    await power_cut(young)
    assert list(young.spool.tail.state.boots) == [young.clock.boot]


async def test_the_shown_runs_are_one(young: Rig) -> None:
    young.clock.now = 200
    await young.spool.tend()
    for value in range(100):
        take(young, value)
        await show(young)
    assert young.spool.tail.state.boots["boot"].shown == [(1, 101)]
    assert young.clock.regime() == Regime("boot", OFFSET - 24 * HOUR, False)
