"""Dead letters: kept within bounds, sent again under their identity, once whatever dies when."""

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.clock import Regime
from collector.config.model import SpoolSection
from collector.config.units import Size
from collector.contracts import Outcome
from collector.errors import SpoolError
from collector.segment import Segment
from collector.spool import letters
from tests.spool.rig import Rig, values


async def refuse(rig: Rig, *, at: set[int] | None = None, sink: str = "cloud", reason: str = "bad") -> Segment:
    """The sink takes the next segment, but for some positions, or all."""
    segment = await rig.spool.next(sink)
    for part in rig.spool.parts(sink, segment):
        positions = range(part.lo, part.hi) if at is None else at
        rig.spool.settle(sink, part, Outcome(dead=dict.fromkeys(positions, reason)))
    return segment


def stored(rig: Rig) -> list[tuple[str, int]]:
    return rig.query("SELECT epoch, seq FROM dead ORDER BY id")


def books(rig: Rig, sink: str = "cloud") -> tuple[int, int, int, int]:
    found = rig.spool.tail.state.sinks[sink]
    return found.received, found.delivered, found.pending, found.dead


async def cut(*arguments: Any) -> None:
    raise SpoolError("killed here")


async def test_requeued_readings_keep_identity_time_and_books(rig: Rig) -> None:
    rig.append(range(1, 11))
    before = await refuse(rig, at={2, 3, 4, 8})
    await rig.spool.commit()
    await rig.crash()
    spool = await rig.open()
    rig.clock.offset_ns += 10**12
    rig.append([99])
    assert await letters.requeue(spool, lambda letter: True) == 4
    assert (stored(rig), books(rig), rig.remainder()) == ([], (11, 6, 5, 0), 0)
    newest, run, single = await rig.deliver(count=3)
    assert (values(newest), values(run), values(single)) == ([99], [3, 4, 5], [9])
    assert [(s.epoch, s.first_seq) for s in (run, single)] == [(before.epoch, 3), (before.epoch, 9)]
    assert run.regime == single.regime == before.regime != newest.regime
    assert (books(rig), rig.remainder()) == ((11, 11, 0, 0), 0)
    assert rig.spool.tail.state.dead_bytes == 0
    assert spool.tail.state.sinks["cloud"].refused == 4


async def test_a_letter_in_memory_only_is_requeued_too(rig: Rig) -> None:
    rig.append([1])
    await refuse(rig)
    assert await letters.requeue(rig.spool, lambda letter: True) == 1
    assert [values(s) for s in await rig.deliver()] == [[1]]


async def test_what_is_refused_is_safe_once_its_letter_is_on_the_disk(rig: Rig, tmp_path: Path) -> None:
    id = rig.append([1, 2])
    later = rig.append(range(3, 501))
    await refuse(rig, at={1})
    rig.append([501])
    await rig.deliver()
    assert rig.safe == 0
    rig.clock.now += 1.1
    await rig.spool.tend()
    assert rig.safe == rig.spool.tail.last >= later == id
    await rig.crash()
    for file in (tmp_path / "run").iterdir():
        file.unlink()
    await rig.open()
    assert [seq for _, seq in stored(rig)] == [2]
    assert (rig.remainder(), rig.spool.waiting()) == (0, False)


@pytest.mark.parametrize("degraded", [False, True])
async def test_killed_between_the_journal_and_the_commit(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, degraded: bool
) -> None:
    """`degraded`: the journal begins a fresh file meanwhile, because somebody removed the one in use."""
    rig.append(range(1, 6))
    before = await refuse(rig, at={1, 3})
    await rig.spool.commit()
    await rig.crash()
    await rig.open()
    with monkeypatch.context() as killed:
        commit, calls = rig.spool.commit, 0

        async def second() -> None:
            nonlocal calls
            calls += 1
            if calls == 2:
                if degraded:
                    for file in rig.spool.journal.directory.iterdir():
                        file.unlink()
                    rig.spool.tail.look_after_journal()
                raise SpoolError("killed here")
            await commit()

        killed.setattr(rig.spool, "commit", second)
        with pytest.raises(SpoolError, match="killed here"):
            await letters.requeue(rig.spool, lambda letter: True)
    assert stored(rig) == [(before.epoch, 2), (before.epoch, 4)]
    await rig.crash()
    await rig.open()
    assert (stored(rig), books(rig), rig.remainder()) == ([], (5, 3, 2, 0), 0)
    again = await rig.deliver(count=2)
    assert [(s.epoch, s.first_seq, values(s)) for s in again] == [(before.epoch, 2, [2]), (before.epoch, 4, [4])]
    await rig.crash()
    spool = await rig.open()
    assert (books(rig), rig.remainder(), spool.waiting()) == ((5, 5, 0, 0), 0, False)


async def test_killed_while_the_next_start_finishes_it(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    rig.append([1, 2])
    await refuse(rig)
    await rig.spool.commit()
    async with rig.spool.between_commits():
        found = await letters.page(rig.spool.tail.state, rig.spool.database, 0)
        assert letters._requeue(rig.spool, found.letters) == 2
    await rig.crash()
    with monkeypatch.context() as killed:
        killed.setattr("collector.spool.database.Database.commit", cut)
        with pytest.raises(SpoolError):
            await rig.open()
    await rig.open()
    assert (stored(rig), [values(s) for s in await rig.deliver()]) == ([], [[1, 2]])
    assert rig.remainder() == 0


async def test_what_the_next_commit_deletes_is_no_letter_any_more(rig: Rig) -> None:
    """Or a spool that is full of dead letters would give up what it has just sent again."""
    rig.append([1, 2])
    await refuse(rig)
    await rig.spool.commit()
    async with rig.spool.between_commits():
        for expected in (2, 0):
            found = await letters.page(rig.spool.tail.state, rig.spool.database, 0)
            assert letters._requeue(rig.spool, found.letters) == expected


async def test_refused_again_it_is_a_letter_again(rig: Rig) -> None:
    rig.append([1])
    await refuse(rig)
    for reason in ("once more", "and again"):
        assert await letters.requeue(rig.spool, lambda letter: True) == 1
        await refuse(rig, reason=reason)
    await rig.crash()
    await rig.open()
    assert rig.query("SELECT seq, reason FROM dead") == [(1, "and again")]
    assert (books(rig), rig.remainder()) == ((1, 0, 0, 1), 0)


async def test_it_goes_to_its_sink_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (runtime := tmp_path / "run").mkdir()
    monkeypatch.setattr("collector.spool.spool.journal_directory", lambda data_dir: (runtime, True))
    rig = Rig(tmp_path / "data", sinks=("cloud", "file"))
    spool = await rig.open()
    rig.append([1, 2])
    await refuse(rig, at={0})
    await rig.deliver("file")
    assert await letters.requeue(spool, lambda letter: letter.sink == "file") == 0
    assert await letters.requeue(spool, lambda letter: True) == 1
    rig.append([3])
    assert [values(s) for s in await rig.deliver("file")] == [[3]]
    assert [values(s) for s in await rig.deliver("cloud", 2)] == [[1], [3]]
    assert (books(rig), books(rig, "file")) == ((3, 3, 0, 0), (3, 3, 0, 0))
    assert rig.safe == spool.tail.last
    await spool.close()


async def test_letters_of_a_departed_sink_stay(rig: Rig) -> None:
    rig.append([1])
    await refuse(rig)
    await rig.spool.close()
    rig.sinks = ("other",)
    spool = await rig.open()
    assert await letters.requeue(spool, lambda letter: True) == 0
    assert books(rig)[3] == len(stored(rig)) == 1


async def test_a_damaged_letter_is_left_alone(rig: Rig) -> None:
    rig.append([1, 2])
    await refuse(rig)
    await rig.spool.commit()
    await rig.crash()
    rig.alter("UPDATE dead SET reading = x'c1' WHERE seq = 1")
    await rig.open()
    assert await letters.requeue(rig.spool, lambda letter: True) == 1
    assert [values(s) for s in await rig.deliver()] == [[2]]
    assert (books(rig)[3], rig.remainder()) == (1, 0)


async def test_the_oldest_go_when_there_are_too_many_and_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("collector.spool.spool.journal_directory", lambda data_dir: (tmp_path, True))
    rig = Rig(tmp_path / "data", section=SpoolSection(max_bytes=Size(800_000)))
    spool = await rig.open()
    for start in range(1, 2001, 500):
        rig.append(range(start, start + 500))
        await refuse(rig)
        await spool.commit()
    await spool.commit()
    state = spool.tail.state
    kept = [seq for _, seq in stored(rig)]
    assert 100 < len(kept) < 1000
    assert kept == list(range(2001 - len(kept), 2001))
    assert state.dead_bytes <= 800_000 // letters.SHARE
    assert state.sinks["cloud"].dropped == {"dead full": 2000 - len(kept)}
    assert (books(rig), rig.remainder()) == ((2000, 0, 0, len(kept)), 0)
    await rig.crash()
    spool = await rig.open()
    assert (len(stored(rig)), spool.tail.state.dead_bytes) == (len(kept), state.dead_bytes)
    await spool.close()


async def test_a_requeue_of_many_takes_several_commits(rig: Rig) -> None:
    rig.append(range(1, 501))
    await refuse(rig)
    assert await letters.requeue(rig.spool, lambda letter: letter.seq != 250) == 499
    again = [value for segment in await rig.deliver(count=6) for value in values(segment)]
    assert again == [value for value in range(1, 501) if value != 250]
    assert (books(rig), rig.remainder()) == ((500, 499, 0, 1), 0)


OPERATIONS = st.lists(
    st.sampled_from(["append", "deliver", "refuse", "mixed", "commit", "requeue", "requeue cut", "crash", "tend"]),
    max_size=25,
)


@settings(max_examples=40, deadline=None)
@given(operations=OPERATIONS)
def test_whatever_happens_each_reading_is_in_one_place(operations: list[str], tmp_path_factory: Any) -> None:
    """Delivered, pending or dead: never in two, never in none, always under the identity it was given."""
    asyncio.run(_walk(operations, tmp_path_factory.mktemp("walk")))


async def _walk(operations: list[str], directory: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        (directory / "run").mkdir()
        patch.setattr("collector.spool.spool.journal_directory", lambda data_dir: (directory / "run", True))
        rig = Rig(directory / "data")
        await rig.open()
        appended = 0
        delivered: Counter[int] = Counter()
        names: dict[int, set[tuple[str, int]]] = {}

        def seen(segment: Segment) -> None:
            for at, value in enumerate(values(segment)):
                names.setdefault(value, set()).add((segment.epoch, segment.first_seq + at))

        async def settle(dead: int) -> None:
            if not rig.spool.tail.state.sinks["cloud"].pending and rig.spool.tail.filling is None:
                return
            rig.spool.flush()
            segment = await rig.spool.next("cloud")
            seen(segment)
            for part in rig.spool.parts("cloud", segment):
                refused = {at: "bad" for at in range(part.lo, part.hi) if dead and at % dead == 0}
                rig.spool.settle("cloud", part, Outcome(dead=refused))
                delivered.update(values(segment)[at] for at in range(part.lo, part.hi) if at not in refused)

        for operation in operations:
            match operation:
                case "append":
                    rig.append(range(appended + 1, appended + 8), tokens=False)
                    appended += 7
                case "deliver":
                    await settle(0)
                case "refuse":
                    await settle(1)
                case "mixed":
                    await settle(3)
                case "commit":
                    await rig.spool.commit()
                case "tend":
                    rig.clock.now += 3
                    await rig.spool.tend()
                case "requeue":
                    await letters.requeue(rig.spool, lambda letter: True)
                case "requeue cut":
                    await rig.spool.commit()
                    async with rig.spool.between_commits():
                        found = await letters.page(rig.spool.tail.state, rig.spool.database, 0)
                        letters._requeue(rig.spool, found.letters)
                    await rig.crash()
                    await rig.open()
                case "crash":
                    await rig.crash()
                    await rig.open()
            assert rig.remainder() == 0
        await letters.requeue(rig.spool, lambda letter: True)
        while rig.spool.tail.state.sinks["cloud"].pending:
            await settle(0)
        assert delivered == Counter(range(1, appended + 1))
        assert all(len(identities) == 1 for identities in names.values())
        assert books(rig) == (appended, appended, 0, 0)
        assert rig.spool.tail.state.dead_bytes == 0
        await rig.spool.close()


def test_readings_of_two_regimes_are_not_joined() -> None:
    one = Segment(1, "e", 1, 1, Regime("boot", 0, True), b"a")
    other = Segment(1, "e", 2, 1, Regime("boot", 5, True), b"b")
    assert [s.count for s in letters._joined([one, other])] == [1, 1]
