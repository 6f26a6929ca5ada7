"""A sink that left the configuration: kept for 7 days of running time, then dropped and counted."""

import logging

import pytest

from collector.contracts import Outcome
from collector.spool import departed, letters
from collector.spool.database import SWEPT
from tests.spool.rig import Rig, values


async def leave(rig: Rig, *, dead: int = 0) -> None:
    """Ten readings, some refused, the rest stored; then the sink gives way to another."""
    rig.append(range(1, 11))
    if dead:
        segment = await rig.spool.next("cloud")
        [part] = rig.spool.parts("cloud", segment)
        rig.spool.settle("cloud", part, Outcome("retry", dead=dict.fromkeys(range(dead), "bad")))
    await rig.spool.commit()
    await rig.spool.close()
    rig.sinks = ("other",)
    await rig.open()


async def run_for(rig: Rig, seconds: float, step: float = 3600.0) -> None:
    for _ in range(round(seconds / step)):
        rig.clock.now += step
        await rig.spool.tend()


def kept(rig: Rig) -> tuple[int, int]:
    """Rows of segments and of dead letters."""
    [found] = rig.query("SELECT (SELECT count(*) FROM segment), (SELECT count(*) FROM dead)")
    return found


async def test_after_seven_days_all_of_it_is_dropped_counted_and_told(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    await leave(rig, dead=3)
    with caplog.at_level(logging.WARNING, "edge_collector"):
        await run_for(rig, departed.KEPT - 3600)
        assert (kept(rig), caplog.messages) == ((1, 3), [])
        await run_for(rig, 7200)
    assert kept(rig) == (0, 0)
    assert caplog.messages == ["sink cloud: dropped the 10 readings that were kept since it left the configuration"]
    books = rig.spool.tail.state.sinks["cloud"]
    assert (books.dropped, books.pending, books.dead, rig.remainder()) == ({"departed": 10}, 0, 0, 0)
    assert rig.spool.tail.state.dead_bytes == 0


async def test_only_running_time_counts(rig: Rig) -> None:
    await leave(rig)
    for _ in range(3):
        await run_for(rig, departed.KEPT / 4)
        await rig.spool.close()
        rig.clock.now += 10 * departed.KEPT
        rig.clock.offset_ns += 10**18
        await rig.open()
    await rig.spool.tend()
    assert kept(rig) == (1, 0)
    await run_for(rig, departed.KEPT / 4)
    assert kept(rig) == (0, 0)


async def test_sigkill_takes_back_a_minute_at_most(rig: Rig) -> None:
    await leave(rig)
    for _ in range(50):
        await run_for(rig, 600, step=60)
        await rig.crash()
        await rig.open()
    assert rig.spool.tail.state.sinks["cloud"].away == pytest.approx(50 * 600, abs=50 * departed.EVERY)


async def test_a_sink_that_comes_back_goes_on_and_its_time_starts_afresh(rig: Rig) -> None:
    await leave(rig)
    await run_for(rig, departed.KEPT - 3600)
    rig.append([11])
    await rig.spool.close()
    rig.sinks = ("cloud",)
    spool = await rig.open()
    rig.append([12])
    assert [values(s) for s in await rig.deliver(count=2)] == [list(range(1, 11)), [12]]
    assert (rig.remainder(), spool.tail.state.sinks["cloud"].away) == (0, 0)
    await run_for(rig, 7200)
    assert spool.tail.state.sinks["cloud"].dropped == {}


async def test_dropped_for_one_sink_is_kept_for_the_other(rig: Rig) -> None:
    rig.sinks = ("cloud", "other")
    await rig.spool.close()
    await rig.open()
    rig.append([1, 2])
    await rig.spool.commit()
    await rig.spool.close()
    rig.sinks = ("other",)
    spool = await rig.open()
    assert await departed.drop(spool, "cloud") == 2
    assert [values(s) for s in await rig.deliver("other")] == [[1, 2]]
    assert (rig.remainder(), rig.remainder("other")) == (0, 0)


async def test_a_large_backlog_goes_in_small_transactions(rig: Rig) -> None:
    rig.spool.ready("cloud", False)
    for value in range(3 * SWEPT):
        rig.append([value])
        rig.spool.flush()
    await rig.spool.commit()
    await rig.spool.close()
    rig.sinks = ("other",)
    spool = await rig.open()
    spool.tail.abandon("cloud")
    await spool.commit()
    assert (kept(rig), spool.database.unswept) == ((2 * SWEPT, 0), True)
    for left in (SWEPT, 0, 0):
        await spool.tend()
        assert kept(rig) == (left, 0)
    assert not spool.database.unswept


async def test_killed_half_way_the_books_balance_and_the_rest_goes_later(rig: Rig) -> None:
    await leave(rig, dead=3)
    state = rig.spool.tail.state
    [letter, *_] = (await letters.page(state, rig.spool.database, 0)).letters
    rig.spool.tail.bury([letter.key], letter.size, "departed")
    await rig.crash()
    spool = await rig.open()
    books = spool.tail.state.sinks["cloud"]
    assert (kept(rig), books.dead, books.dropped, rig.remainder()) == ((1, 2), 2, {"departed": 1}, 0)
    assert await departed.drop(spool, "cloud") == 9
    assert (kept(rig), rig.remainder()) == ((0, 0), 0)


async def test_a_start_tells_of_departed_sinks(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    await leave(rig, dead=1)
    with caplog.at_level(logging.WARNING, "edge_collector"):
        departed.announce(rig.spool.tail.state)
    [line] = caplog.messages
    assert "sink cloud: not configured any more; the 10 readings kept for it are dropped after 7.0 days" in line
