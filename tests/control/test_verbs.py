"""Every verb, through the socket of a daemon and on a stopped spool: the same answers."""

import asyncio
import json

import pytest

from collector.control.protocol import Dead, Export, Forget, Requeue, Stats
from collector.errors import CollectorError
from tests.control.conftest import Asking


def seqs(lines: list[bytes]) -> list[int]:
    return [int(json.loads(line)["id"].rpartition("/")[2]) for line in lines]


async def test_stats(either: Asking) -> None:
    done, lines = await either.ask(Stats())
    report = done.result
    assert (lines, report["collector"], report["data_dir"]) == ([], "gh", str(either.rig.directory))
    cloud, file = report["sinks"]["cloud"], report["sinks"]["file"]
    assert [cloud[key] for key in ("received", "delivered", "pending", "dead", "remainder")] == [10, 3, 5, 2, 0]
    assert [file[key] for key in ("received", "delivered", "pending", "dead", "remainder")] == [10, 0, 10, 0, 0]
    assert report["pending"] == 10
    assert report["oldest"] == "1970-01-01T00:00:00.000000Z"
    assert report["segments"] + report["memory_segments"] == 2
    assert (report["oldest_age_seconds"] is not None) == report["running"]


async def test_export_as_on_the_wire_without_taking_anything(either: Asking) -> None:
    for _ in range(2):
        done, lines = await either.ask(Export())
        assert (seqs(lines), done.result) == (list(range(1, 11)), {"readings": 10, "damaged_segments": 0})
    first = json.loads(lines[0])
    assert {key: first[key] for key in ("collector", "source", "device", "clock", "fields")} == {
        "collector": "gh",
        "source": "meter",
        "device": "m1",
        "clock": "synced",
        "fields": {"n": 1},
    }


async def test_export_of_one_sink(either: Asking) -> None:
    assert seqs((await either.ask(Export("cloud")))[1]) == [6, 7, 8, 9, 10]


async def test_export_of_dead_letters(either: Asking) -> None:
    done, lines = await either.ask(Export(dead=True))
    assert [json.loads(line)["fields"]["n"] for line in lines] == [2, 4]
    assert done.result == {"letters": 2, "damaged": 0}


async def test_dead_letters_with_the_servers_words(either: Asking) -> None:
    _, lines = await either.ask(Dead())
    assert [(seq, json.loads(line)["reason"]) for seq, line in zip(seqs(lines), lines, strict=True)] == [
        (2, "too hot"),
        (4, "too\x1b[2J cold"),
    ]
    assert json.loads(lines[0])["device"] == "m1"
    assert (await either.ask(Dead("file")))[1] == []


async def test_requeue_of_all(either: Asking) -> None:
    done, _ = await either.ask(Requeue())
    assert done.result == {"requeued": 2, "departed": 0}
    assert sorted(seqs((await either.ask(Export("cloud")))[1])) == [2, 4, 6, 7, 8, 9, 10]
    assert (await either.ask(Stats()))[0].result["sinks"]["cloud"]["remainder"] == 0
    assert (await either.ask(Requeue()))[0].result["requeued"] == 0


async def test_requeue_by_id(either: Asking) -> None:
    first, second = [json.loads(line)["id"] for line in (await either.ask(Dead()))[1]]
    assert (await either.ask(Requeue(ids=[second])))[0].result["requeued"] == 1
    assert (await either.ask(Requeue(ids=[first.removeprefix("gh/")], sink="cloud")))[0].result["requeued"] == 1
    assert (await either.ask(Dead()))[1] == []


async def test_one_wrong_id_and_nothing_is_requeued(either: Asking) -> None:
    good = json.loads((await either.ask(Dead()))[1][0])["id"]
    for wrong in ("gh/0123456789abcdef/2", "nonsense", "gh/e/-1", "gh/e/²", "a/" + "9" * 30):
        with pytest.raises(CollectorError, match=r"no dead letter|not the id") as raised:
            await either.ask(Requeue(ids=[good, wrong]))
        assert "\n" not in str(raised.value)
    with pytest.raises(CollectorError, match="no dead letter of sink file"):
        await either.ask(Requeue(ids=[good], sink="file"))
    assert len((await either.ask(Dead()))[1]) == 2


async def test_a_configured_sink_is_not_forgotten(either: Asking) -> None:
    with pytest.raises(CollectorError, match="sink cloud is configured: remove it from the configuration and restart"):
        await either.ask(Forget("cloud"))
    assert (await either.ask(Stats()))[0].result["sinks"]["cloud"]["pending"] == 5


@pytest.mark.parametrize("running", [True, False])
async def test_a_departed_sink_is_forgotten(asking: Asking, running: bool) -> None:
    await asking.rig.spool.close()
    asking.rig.sinks = ("file",)
    asking.configure("file")
    if running:
        await asking.rig.open()
        await asking.start()
    before = (await asking.ask(Stats()))[0].result["sinks"]["cloud"]
    assert (before["configured"], round(before["seconds_left"])) == (False, 7 * 86400)
    with pytest.raises(CollectorError, match="sink cloud is not configured any more"):
        await asking.ask(Requeue("cloud"))
    assert (await asking.ask(Requeue()))[0].result == {"requeued": 0, "departed": 2}
    assert (await asking.ask(Forget("cloud")))[0].result == {"dropped": 7}
    after = (await asking.ask(Stats()))[0].result["sinks"]["cloud"]
    assert (after["pending"], after["dead"], after["dropped"], after["remainder"]) == (0, 0, {"departed": 7}, 0)
    if not running:
        await asking.rig.open()


async def test_a_sink_nobody_knows(either: Asking) -> None:
    for request in (Export("clod"), Dead("clod"), Requeue("clod"), Forget("clod")):
        with pytest.raises(CollectorError, match="no sink clod; the spool knows cloud, file"):
            await either.ask(request)


async def test_export_while_a_commit_moves_what_is_exported(asking: Asking) -> None:
    """Whichever of memory and database holds a segment when it is looked at, it comes once."""
    await asking.start()
    for start in range(11, 200, 3):
        asking.rig.append(range(start, start + 3))
        asking.rig.spool.flush()
        if start % 7 == 0:
            await asking.rig.spool.commit()
    (_, lines), _ = await asyncio.gather(asking.ask(Export("file")), asking.rig.spool.commit())
    assert seqs(lines) == list(range(1, 200))
