"""What a killed run leaves behind, and what the next one makes of it."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from collector.contracts import Outcome
from collector.errors import SpoolError, SpoolRefused
from collector.reading import Reading
from collector.spool.filling import Origin
from tests.spool.rig import Rig, values


async def test_sealed_segments_come_again_under_the_same_identity(rig: Rig) -> None:
    rig.append([1, 2, 3])
    segment = await rig.spool.next("cloud")
    await rig.crash()
    spool = await rig.open()
    [again] = await rig.deliver()
    assert (again.epoch, again.first_seq, again.body) == (segment.epoch, segment.first_seq, segment.body)
    assert spool.tail.state.epoch != segment.epoch
    assert rig.remainder() == 0


async def test_what_cannot_be_sent_again_survives_before_the_seal(rig: Rig) -> None:
    rig.append([1, 2], tokens=False)
    rig.append([3], tokens=False)
    await rig.crash()
    await rig.open()
    assert [values(s) for s in await rig.deliver()] == [[1, 2, 3]]


async def test_a_message_not_sealed_yet_is_new_when_it_comes_again(rig: Rig) -> None:
    rig.append([1])
    assert rig.spool.tail.sent("meter", 1, 31) == 1
    await rig.crash()
    spool = await rig.open()
    assert spool.tail.sent("meter", 1, 31) is None
    assert spool.tail.state.sinks["cloud"].received == 0


async def test_a_message_sent_again_is_known_by_token_and_fingerprint(rig: Rig) -> None:
    rig.append([1, 2])
    rig.spool.flush()
    await rig.crash()
    spool = await rig.open()
    assert spool.tail.sent("meter", 2, 62) == 1
    assert spool.tail.sent("meter", 2, 63) is None
    assert spool.tail.sent("meter", 3, 62) is None
    assert spool.tail.sent("other", 2, 62) is None


async def test_it_is_known_after_delivery_and_a_second_crash(rig: Rig) -> None:
    rig.append([1, 2])
    await rig.deliver()
    for _ in range(2):
        await rig.crash()
        await rig.open()
    assert rig.spool.tail.sent("meter", 1, 31) == 1
    assert rig.spool.tail.state.sinks["cloud"].delivered == 2


async def test_delivered_readings_do_not_come_again(rig: Rig) -> None:
    rig.append(range(1, 501))
    rig.append(range(501, 1001))
    first = await rig.spool.next("cloud")
    [part] = rig.spool.parts("cloud", first)
    rig.spool.settle("cloud", part, Outcome("retry", settled=range(100), reason="lost"))
    await rig.crash()
    spool = await rig.open()
    again = await spool.next("cloud")
    assert [(p.lo, p.hi) for p in spool.parts("cloud", again)] == [(100, 500)]
    assert spool.tail.state.sinks["cloud"].delivered == 100


async def test_what_a_commit_holds_is_not_taken_twice(rig: Rig) -> None:
    rig.spool.ready("cloud", False)
    rig.append([1, 2])
    await rig.spool.commit()
    rig.append([3])
    rig.spool.flush()
    await rig.crash()
    await rig.open()
    assert [values(s) for s in await rig.deliver(count=2)] == [[1, 2], [3]]
    assert rig.remainder() == 0
    assert rig.spool.tail.state.sinks["cloud"].received == 3


async def test_progress_after_the_last_commit_survives(rig: Rig) -> None:
    rig.spool.ready("cloud", False)
    for value in (1, 2, 3):
        rig.append([value])
        await rig.spool.commit()
    await rig.deliver(count=2)
    await rig.crash()
    await rig.open()
    assert [values(s) for s in await rig.deliver()] == [[3]]
    assert rig.remainder() == 0


async def test_without_its_journal_it_goes_on_from_the_last_commit(rig: Rig, tmp_path: Path) -> None:
    """A power cut: the tmpfs is empty."""
    rig.spool.ready("cloud", False)
    rig.append([1, 2])
    await rig.spool.commit()
    rig.append([3])
    rig.spool.flush()
    await rig.crash()
    for file in (tmp_path / "run").iterdir():
        file.unlink()
    await rig.open()
    assert [values(s) for s in await rig.deliver()] == [[1, 2]]
    assert rig.remainder() == 0
    assert rig.spool.tail.sent("meter", 2, 62) == 1


async def test_an_old_journal_does_not_undo_a_newer_commit(rig: Rig, tmp_path: Path) -> None:
    rig.append([1])
    await rig.deliver()
    old = (tmp_path / "run" / "tail.0").read_bytes()
    rig.spool.ready("cloud", False)
    rig.append([2])
    await rig.spool.commit()
    await rig.crash()
    (tmp_path / "run" / "tail.0").write_bytes(old)
    await rig.open()
    assert [values(s) for s in await rig.deliver()] == [[2]]
    assert rig.remainder() == 0


async def test_many_rotations_of_the_journal_lose_nothing(rig: Rig) -> None:
    """Some 12 MB through two files of 2 MiB, a crash now and then, half of it never delivered."""
    expected: list[int] = []
    seen: dict[tuple[str, int], int] = {}
    value = 0
    for round in range(60):
        batch = list(range(value + 1, value + 2001))
        value += 2000
        rig.append(batch, tokens=False)
        expected += batch
        await rig.spool.tend()
        if round % 2:
            for segment in await rig.deliver(count=3):
                for at, number in enumerate(values(segment)):
                    seen[segment.epoch, segment.first_seq + at] = number
        if round % 20 == 19:
            await rig.crash()
            await rig.open()
        assert rig.spool.journal.size < 5 * 1024 * 1024
    while rig.spool.tail.state.sinks["cloud"].pending:
        if rig.spool.tail.filling is not None:
            rig.spool.flush()
        [segment] = await rig.deliver()
        for at, number in enumerate(values(segment)):
            seen[segment.epoch, segment.first_seq + at] = number
    assert sorted(seen.values()) == expected
    assert rig.remainder() == 0


async def test_a_newer_database_is_refused(rig: Rig) -> None:
    await rig.crash()
    rig.alter("PRAGMA user_version = 99")
    with pytest.raises(SpoolRefused, match="newer version"):
        await rig.open()
    rig.alter("PRAGMA user_version = 1")
    await rig.open()


async def test_what_came_while_the_journal_refused_is_in_it_once_it_takes_records_again(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    commit = rig.spool.database.commit

    async def slow(*arguments: Any) -> None:
        rig.append([2])
        rig.spool.flush()
        rig.append([3], tokens=False)
        await commit(*arguments)

    with monkeypatch.context() as full:
        full.setattr(rig.spool.journal, "append", refuse)
        rig.append([1])
        rig.spool.flush()
    with monkeypatch.context() as busy:
        busy.setattr(rig.spool.database, "commit", slow)
        await rig.spool.commit()
    assert rig.spool.tail.journaled
    await rig.crash()
    await rig.open()
    assert sorted(value for segment in await rig.deliver(count=3) for value in values(segment)) == [1, 2, 3]
    books = rig.spool.tail.state.sinks["cloud"]
    assert (books.received, books.pending, rig.remainder()) == (3, 0, 0)


async def test_a_journal_that_somebody_removed_is_begun_again(rig: Rig, tmp_path: Path) -> None:
    rig.append([1, 2], tokens=False)
    shutil.rmtree(tmp_path / "run")
    await rig.spool.tend()
    assert rig.spool.tail.journaled
    rig.append([3], tokens=False)
    await rig.crash()
    await rig.open()
    assert [value for segment in await rig.deliver(count=2) for value in values(segment)] == [1, 2, 3]
    assert rig.remainder() == 0


async def test_dead_letters_survive_a_rotation_while_they_are_committed(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.append([1, 2])
    segment = await rig.spool.next("cloud")
    [part] = rig.spool.parts("cloud", segment)
    rig.spool.settle("cloud", part, Outcome(dead={0: "bad"}))

    async def cut(*arguments: Any) -> None:
        rig.spool.tail.rotate()
        raise SpoolError("killed here")

    with monkeypatch.context() as killed:
        killed.setattr(rig.spool.database, "commit", cut)
        with pytest.raises(SpoolError):
            await rig.spool.commit()
    await rig.crash()
    await rig.open()
    assert rig.query("SELECT seq, reason FROM dead") == [(1, "bad")]


async def test_of_two_sinks_the_one_that_is_down_gets_what_the_other_has_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (runtime := tmp_path / "run").mkdir()
    monkeypatch.setattr("collector.spool.spool.journal_directory", lambda data_dir: (runtime, True))
    rig = Rig(tmp_path / "data", sinks=("cloud", "backup"))
    spool = await rig.open()
    spool.ready("backup", False)
    rig.append([1, 2])
    [segment] = await rig.deliver("cloud")
    assert spool.tail.unconfirmed("meter") == rig.safe == 0
    for _ in range(2):
        await rig.crash()
        spool = await rig.open()
        assert spool.tail.sent("meter", 1, 31) == spool.tail.sent("meter", 2, 62) == 1
    assert not spool.parts("cloud", segment)
    [again] = await rig.deliver("backup")
    assert (again.epoch, again.first_seq, again.body) == (segment.epoch, segment.first_seq, segment.body)
    for sink in ("cloud", "backup"):
        books = spool.tail.state.sinks[sink]
        assert (books.received, books.delivered, books.pending, rig.remainder(sink)) == (2, 2, 0, 0)
    await spool.close()


async def test_messages_of_one_content_are_told_apart_by_source_and_token(rig: Rig) -> None:
    reading = Reading(0, "meter", "m1", 1, "synced", {"n": 7})
    for source, token in (("meter", 1), ("meter", 2), ("other", 1)):
        rig.spool.append(source, [reading], [Origin(token, 77, 1)], 10)
        rig.spool.flush()
    await rig.deliver(count=3)
    rig.spool.tail.confirmed("meter", 1)
    await rig.crash()
    tail = (await rig.open()).tail
    assert [tail.sent(*which, 77) for which in (("meter", 1), ("meter", 2), ("other", 1))] == [None, 2, 3]


async def test_a_session_the_broker_has_lost_stays_lost(rig: Rig) -> None:
    rig.append([1])
    await rig.deliver()
    rig.spool.tail.forget("meter")
    await rig.crash()
    await rig.open()
    assert rig.spool.tail.sent("meter", 1, 31) is None
    rig.append([1])
    await rig.deliver()
    await rig.crash()
    await rig.open()
    assert rig.spool.tail.sent("meter", 1, 31) == 2


async def test_of_a_token_used_twice_only_the_last_message_is_known(rig: Rig) -> None:
    reading = Reading(0, "meter", "m1", 1, "synced", {"n": 7})
    for fingerprint in (77, 78):
        rig.spool.append("meter", [reading], [Origin(1, fingerprint, 1)], 10)
        rig.spool.flush()
    await rig.crash()
    tail = (await rig.open()).tail
    assert (tail.sent("meter", 1, 77), tail.sent("meter", 1, 78)) == (None, 2)


async def test_what_is_confirmed_is_in_no_later_commit(rig: Rig, tmp_path: Path) -> None:
    """Else a power cut would bring it back."""
    rig.append([1])
    await rig.deliver()
    rig.spool.tail.confirmed("meter", rig.safe)
    await rig.spool.commit()
    await rig.crash()
    for file in (tmp_path / "run").iterdir():
        file.unlink()
    await rig.open()
    assert rig.spool.tail.sent("meter", 1, 31) is None


async def test_while_the_journal_refuses_commits_know_all_that_may_come_again(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    rig.append([1])
    await rig.spool.commit()
    with monkeypatch.context() as full:
        full.setattr("collector.spool.journal._write", refuse)
        for value in (2, 3, 4):
            rig.append([value])
            await rig.spool.commit()
        await rig.crash()
    await rig.open()
    assert [rig.spool.tail.sent("meter", value, value * 31) for value in (1, 2, 3, 4)] == [1, 2, 3, 4]


async def test_a_session_that_is_lost_takes_what_is_not_sealed_yet_along(rig: Rig) -> None:
    rig.append([1])
    rig.spool.tail.forget("meter")
    assert rig.spool.tail.sent("meter", 1, 31) is None
    rig.spool.flush()
    assert rig.spool.tail.sent("meter", 1, 31) is None
    await rig.crash()
    await rig.open()
    assert rig.spool.tail.sent("meter", 1, 31) is None


async def test_a_journal_that_lies_elsewhere_is_taken_over_once(
    rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed where it was started by hand, then started as a service, killed again, then by hand."""
    by_hand, service = tmp_path / "by-hand", tmp_path / "service"
    monkeypatch.setattr("collector.spool.place.places", lambda data_dir, uid: [service, by_hand])
    lies = by_hand
    monkeypatch.setattr("collector.spool.spool.journal_directory", lambda data_dir: (lies, True))
    await rig.spool.close()
    await rig.open()
    rig.append([1, 2], tokens=False)
    await rig.crash()
    lies = service
    spool = await rig.open()
    assert spool.tail.state.sinks["cloud"].pending == 2, "it was not found"
    assert [values(s) for s in await rig.deliver()] == [[1, 2]]
    assert not list(by_hand.glob("tail.*")), "it could be taken over again"
    rig.append([3], tokens=False)
    await rig.crash()
    lies = by_hand
    spool = await rig.open()
    assert spool.tail.state.sinks["cloud"].pending == 1, "it was not found"
    assert [values(s) for s in await rig.deliver()] == [[3]]
    assert rig.remainder() == 0
