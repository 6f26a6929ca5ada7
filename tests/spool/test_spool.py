"""The spool as sources and sinks see it, on a real database and a real journal."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from collector.config.model import SpoolSection
from collector.config.units import Duration, Size
from collector.contracts import Outcome
from collector.errors import SpoolError
from collector.spool.spool import Spool
from tests.spool.rig import Rig, values


def rows(rig: Rig) -> list[tuple[int, int]]:
    return rig.query("SELECT id, count FROM segment ORDER BY id")


async def test_online_nothing_reaches_the_disk(rig: Rig) -> None:
    id = rig.append(range(1, 11))
    [segment] = await rig.deliver()
    assert values(segment) == list(range(1, 11))
    assert (segment.first_seq, rig.safe) == (1, id)
    await rig.spool.tend()
    assert rig.spool.commits.seconds.count == 0


async def test_seqs_count_from_one_without_gaps(rig: Rig) -> None:
    rig.append(range(1, 501))
    rig.append(range(501, 1201))
    segments = await rig.deliver(count=3)
    assert [(s.first_seq, s.last_seq) for s in segments] == [(1, 500), (501, 1000), (1001, 1200)]
    assert {s.epoch for s in segments} == {rig.spool.tail.state.epoch}


async def test_the_readings_of_one_message_never_part(rig: Rig) -> None:
    from collector.reading import Reading
    from collector.spool.filling import Origin

    rig.append(range(1, 491))
    readings = [Reading(0, "meter", "m1", 1, "synced", {"n": n}) for n in range(30)]
    rig.spool.append("meter", readings, [Origin(900, 1, 30)], 300)
    first, second = await rig.deliver(count=2)
    assert (first.count, second.count) == (490, 30)


async def test_a_clock_that_changes_its_mind_ends_the_segment(rig: Rig) -> None:
    rig.append([1])
    rig.clock.synchronised = False
    rig.append([2])
    first, second = await rig.deliver(count=2)
    assert (first.regime.synchronised, second.regime.synchronised) == (True, False)


async def test_a_commit_comes_after_hold_when_the_sink_is_up(rig: Rig) -> None:
    id = rig.append([1])
    rig.clock.now += 4.9
    await rig.spool.tend()
    assert rig.safe == 0
    rig.clock.now += 0.2
    await rig.spool.tend()
    assert (rig.safe, rows(rig)) == (id, [(id, 1)])


async def test_a_commit_comes_after_commit_after_when_the_sink_is_down(rig: Rig) -> None:
    rig.spool.ready("cloud", False)
    id = rig.append([1])
    rig.clock.now += 1.1
    await rig.spool.tend()
    assert (rig.safe, rows(rig)) == (id, [(id, 1)])


async def test_a_pressed_source_gets_its_commit_at_once_when_the_sink_is_down(rig: Rig) -> None:
    rig.spool.ready("cloud", False)
    id = rig.append([1])
    rig.spool.press("meter", True)
    await rig.spool.tend()
    assert rig.safe == id


async def test_a_pressed_source_waits_for_a_sink_that_is_merely_slow(rig: Rig) -> None:
    rig.append([1])
    rig.spool.press("meter", True)
    await rig.spool.tend()
    assert rig.safe == 0
    rig.clock.now += 0.6
    await rig.spool.tend()
    assert rig.safe == 1


async def test_readings_gather_while_no_sink_is_up(rig: Rig) -> None:
    rig.spool.ready("cloud", False)
    for value in range(1, 101):
        rig.append([value])
        await asyncio.sleep(0)
    await rig.spool.commit()
    assert rows(rig) == [(1, 100)]


async def test_what_is_committed_comes_out_of_the_database_in_order(rig: Rig) -> None:
    rig.spool.ready("cloud", False)
    for start in range(1, 31, 3):
        rig.append(range(start, start + 3))
        await rig.spool.commit()
    rig.spool.ready("cloud", True)
    rig.append([31])
    segments = await rig.deliver(count=11)
    assert [value for segment in segments for value in values(segment)] == list(range(1, 32))
    rig.clock.now += 6
    await rig.spool.tend()
    assert rows(rig) == []
    assert rig.remainder() == 0


async def test_sinks_go_their_own_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("collector.spool.spool.journal_directory", lambda data_dir: (tmp_path, True))
    rig = Rig(tmp_path / "data", sinks=("cloud", "file"))
    spool = await rig.open()
    rig.append([1, 2])
    await rig.deliver("file")
    assert rig.safe == 0
    await spool.commit()
    assert rig.safe == 1
    rig.append([3])
    await rig.deliver("file")
    assert [values(s) for s in await rig.deliver("cloud", 2)] == [[1, 2], [3]]
    assert (rig.safe, rig.remainder("cloud"), rig.remainder("file")) == (2, 0, 0)
    await spool.close()


async def test_partial_outcomes_leave_the_rest_wanted(rig: Rig) -> None:
    rig.append(range(1, 7))
    segment = await rig.spool.next("cloud")
    [part] = rig.spool.parts("cloud", segment)
    rig.spool.settle("cloud", part, Outcome("retry", settled=[0, 1, 4], dead={2: "bad"}, reason="lost"))
    assert [(p.lo, p.hi) for p in rig.spool.parts("cloud", segment)] == [(3, 4), (5, 6)]
    assert rig.safe == 0
    for part in rig.spool.parts("cloud", segment):
        rig.spool.settle("cloud", part, Outcome())
    assert rig.safe == 0, "the dead letter is not on the disk"
    await rig.spool.commit()
    assert (rig.safe, rig.remainder()) == (1, 0)


async def test_dead_readings_are_kept_with_the_reason(rig: Rig) -> None:
    rig.append([1, 2, 3])
    segment = await rig.spool.next("cloud")
    [part] = rig.spool.parts("cloud", segment)
    rig.spool.settle("cloud", part, Outcome(dead={1: "payload format invalid (0x99)"}))
    rig.clock.now += 1.1
    await rig.spool.tend()
    found = rig.query("SELECT sink, epoch, seq, reason FROM dead")
    assert found == [("cloud", segment.epoch, 2, "payload format invalid (0x99)")]
    assert rig.spool.tail.state.sinks["cloud"].dead == 1


async def test_full_drops_the_oldest_and_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("collector.spool.spool.journal_directory", lambda data_dir: (tmp_path, True))
    rig = Rig(tmp_path / "data", section=SpoolSection(max_bytes=Size(120_000)))
    spool = await rig.open(ready=False)
    for start in range(1, 60_000, 400):
        rig.append(range(start, start + 400))
        await spool.commit()
    books = spool.tail.state.sinks["cloud"]
    assert books.dropped["full"] > 0
    assert rig.remainder() == 0
    assert spool.database.bytes <= 120_000 + 40_000
    spool.ready("cloud", True)
    received: list[int] = []
    while books.pending:
        received += [value for segment in await rig.deliver() for value in values(segment)]
    assert received == list(range(60_001 - len(received), 60_001))
    await spool.close()


async def test_a_damaged_segment_is_dropped_and_counted_and_the_rest_comes(rig: Rig) -> None:
    rig.spool.ready("cloud", False)
    for value in (1, 2, 3):
        rig.append([value])
        await rig.spool.commit()
    await rig.crash()
    rig.alter("UPDATE segment SET body = x'00' WHERE id = 2")
    await rig.open()
    assert [values(s) for s in await rig.deliver(count=2)] == [[1], [3]]
    assert (rig.spool.tail.state.sinks["cloud"].dropped, rig.remainder()) == ({"damaged": 1}, 0)


async def test_strict_commits_before_a_sink_sees_anything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("collector.spool.spool.journal_directory", lambda data_dir: (tmp_path, True))
    rig = Rig(tmp_path / "data", section=SpoolSection(durability="strict", linger=Duration(0.0)))
    spool = await rig.open()
    rig.append([1])
    spool.flush()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await spool.next("cloud")
    await spool.tend()
    assert (rows(rig), rig.safe) == ([(1, 1)], 1)
    assert [values(s) for s in await rig.deliver()] == [[1]]
    await spool.close()


async def test_without_a_journal_every_segment_is_committed_first(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(rig.spool.journal, "append", refuse)
    rig.append([1])
    rig.spool.flush()
    assert rig.spool._outlets["cloud"].newest() is None
    monkeypatch.undo()
    await rig.spool.tend()
    assert rows(rig) == [(1, 1)]
    assert rig.spool.tail.journaled
    assert [values(s) for s in await rig.deliver()] == [[1]]


async def test_crowded_memory_asks_the_sources_to_wait(rig: Rig) -> None:
    for start in range(1, 200):
        rig.append([start], size=128 * 1024)
    from collector.reading import Reading

    for n in range(40):
        rig.spool.append("host", [Reading(0, "host", "h", n, "synced", {"x": "y" * 130_000})], [], 130_000)
    assert rig.held_back == [True]
    await rig.spool.commit()
    assert rig.held_back == [True, False]


async def test_one_daemon_to_a_directory(rig: Rig) -> None:
    with pytest.raises(SpoolError, match="in use by another edge-collector"):
        await Spool.open(
            SpoolSection(),
            rig.directory,
            rig.clock,
            sinks=["cloud"],
            windows={},
            on_safe=lambda through: None,
            on_held_back=lambda crowded: None,
        )


async def test_the_age_of_the_oldest_is_told(rig: Rig) -> None:
    assert rig.spool.commits.oldest_age() == 0
    rig.append([1])
    rig.clock.now += 2
    assert rig.spool.commits.oldest_age() == pytest.approx(2)
    await rig.spool.commit()
    rig.clock.now += 3
    assert rig.spool.commits.oldest_age() == pytest.approx(5)
    await rig.deliver()
    assert rig.spool.commits.oldest_age() == 0


async def test_what_is_long_safe_is_forgotten_and_what_is_not_is_kept(rig: Rig) -> None:
    rig.append(range(1, 6001))
    await rig.spool.commit()
    rig.append(range(6001, 12_001))

    def remembered() -> set[int]:
        return {token for sent in rig.spool.tail.state.sent["meter"] for token in sent.fingerprints}

    assert len(remembered()) < 12_000
    assert remembered() >= set(range(6001, 12_001))
    rig.spool.flush()
    await rig.deliver(count=24)
    rig.append(range(12_001, 20_001))
    assert len(remembered()) <= 4096 * 5 // 4 + 8000
    assert remembered() >= set(range(12_001, 20_001))


async def test_what_is_sealed_while_a_commit_makes_room_is_part_of_it(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def make_room(*arguments: object) -> bool:
        rig.append([2])
        rig.spool.flush()
        return False

    monkeypatch.setattr("collector.spool.commits.make_room", make_room)
    rig.append([1])
    rig.spool.flush()
    await rig.spool.commit()
    assert rows(rig) == [(1, 1), (2, 1)]
    assert rig.safe == 2


async def test_what_is_sealed_while_a_commit_runs_is_neither_lost_nor_safe(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = rig.spool.database.commit

    async def slow(*arguments: Any) -> None:
        rig.append([2])
        rig.spool.flush()
        await commit(*arguments)

    monkeypatch.setattr(rig.spool.database, "commit", slow)
    rig.append([1])
    await rig.spool.commit()
    monkeypatch.undo()
    assert (rows(rig), rig.safe) == ([(1, 1)], 1)
    assert [values(s) for s in await rig.deliver(count=2)] == [[1], [2]]


async def test_a_failed_commit_is_not_tried_again_at_close(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a failed fsync the kernel takes the pages for clean, so a second one would prove nothing."""
    monkeypatch.setattr("collector.spool.spool.journal_directory", lambda data_dir: (tmp_path, True))
    rig = Rig(tmp_path / "data")
    spool = await rig.open()
    attempts = 0

    async def fail(*arguments: object) -> None:
        nonlocal attempts
        attempts += 1
        raise SpoolError("disk I/O error (SQLITE_IOERR_FSYNC)")

    monkeypatch.setattr(spool.database, "commit", fail)
    rig.append([1])
    with pytest.raises(SpoolError):
        await spool.commit()
    await spool.close()
    assert attempts == 1
    await rig.open()
    assert [values(s) for s in await rig.deliver()] == [[1]]
    await rig.spool.close()


async def test_a_commit_during_a_read_hands_nothing_out_twice(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    rig.append([1])
    await rig.spool.commit()
    read = rig.spool.database.read

    async def late(after: int, limit: int) -> Any:
        monkeypatch.undo()
        rig.append([2])
        await rig.spool.commit()
        return await read(after, limit)

    monkeypatch.setattr(rig.spool.database, "read", late)
    assert [values(await rig.spool.next("cloud")) for _ in range(2)] == [[1], [2]]
    rig.append([3])
    assert values(await rig.spool.next("cloud")) == [3]


async def test_pending_by_the_books_is_what_is_stored(rig: Rig) -> None:
    rig.spool.ready("cloud", False)
    for start in range(1, 2000, 70):
        rig.append(range(start, start + 70))
        if start % 3 == 0:
            await rig.spool.commit()
    await rig.spool.commit()
    assert rig.spool.tail.state.sinks["cloud"].pending == sum(count for _, count in rows(rig))


async def test_what_was_under_way_when_it_was_dropped_counts_as_delivered(rig: Rig) -> None:
    rig.append([1, 2, 3])
    segment = await rig.spool.next("cloud")
    [part] = rig.spool.parts("cloud", segment)
    rig.spool.tail.drop((segment.id, segment.id + 1), "full", [(segment.id, 3)])
    books = rig.spool.tail.state.sinks["cloud"]
    assert (books.dropped, books.pending) == ({"full": 3}, 0)
    rig.spool.settle("cloud", part, Outcome("retry", settled=[0, 2]))
    assert (books.delivered, books.dropped, rig.remainder()) == (2, {"full": 1}, 0)
    assert rig.spool.parts("cloud", segment) == []
    await rig.crash()
    await rig.open()
    books = rig.spool.tail.state.sinks["cloud"]
    assert (books.delivered, books.dropped, rig.remainder()) == (2, {"full": 1}, 0)
