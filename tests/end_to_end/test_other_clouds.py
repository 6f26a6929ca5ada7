"""MQTT, HTTP and a file at once, through SIGKILLs of the daemon and of the far end: each reading once, everywhere."""

import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.end_to_end.clouds import Web, archived
from tests.end_to_end.rig import Publisher, Rig, publish, until

N = 8_000


def drained(rig: Rig, count: int) -> bool:
    books = [sink["ledger"] for sink in rig.status()["sinks"].values()]
    return all(book["received"] >= count and book["pending"] == 0 for book in books)


@pytest.mark.slow
@pytest.mark.fault(1)
def test_three_kinds_of_sinks_and_sigkills_on_both_sides(tmp_path: Path) -> None:
    web, archive = Web(tmp_path / "web"), tmp_path / "archive" / "readings.jsonl"
    archive.parent.mkdir()
    file = f"""
    [sinks.archive]
    type = "file"
    path = "{archive}"
    max_bytes = "1 MiB"
    """
    web.program.start()
    try:
        with Rig(tmp_path, extra=web.sink + file) as rig:
            publisher = Publisher(rig.devices.port, range(N), rate=1_300)
            for kill in range(4):
                time.sleep(0.9 + 0.13 * kill)
                victim = rig.daemon if kill != 2 else web.program
                victim.end(signal.SIGKILL)
                victim.start()
                rig.wait_ready()
            publisher.done()
            until(lambda: drained(rig, N), "all sinks to drain")
            for name, sink in rig.status()["sinks"].items():
                ledger = sink["ledger"]
                assert (ledger["delivered"], ledger["dropped"], ledger["dead"], ledger["remainder"]) == (N, {}, 0, 0), (
                    name
                )
        everything = Counter(range(N))
        assert web.stored() == everything
        assert rig.stored() == everything
        lines = archived(archive)
        assert len(list(archive.parent.iterdir())) > 1, "the file was never rotated"
        assert Counter(line["fields"]["n"] for line in lines) == everything
        assert len({line["id"] for line in lines}) == N
    finally:
        web.program.close()


def test_the_far_ends_go_away_and_come_back_with_a_line_each(tmp_path: Path) -> None:
    web, archive = Web(tmp_path / "web"), tmp_path / "archive" / "readings.jsonl"
    archive.parent.mkdir()
    file = f'[sinks.archive]\ntype = "file"\npath = "{archive}"\nbackoff = {{ min = "100ms", max = "200ms" }}\n'
    try:
        with Rig(tmp_path, extra=web.sink + file) as rig:
            archive.parent.rename(tmp_path / "away")
            publish(rig.devices.port, range(50))
            until(lambda: rig.status()["sinks"]["web"]["attempts"].get("retry", 0) >= 3, "attempts at the server")
            until(
                lambda: rig.status()["sinks"]["archive"]["attempts"].get("unreachable", 0) >= 3, "attempts at the file"
            )
            assert "connection refused" in rig.status()["sinks"]["web"]["last_error"]
            assert "is no directory; create it" in rig.status()["sinks"]["archive"]["last_error"]
            web.program.start()
            (tmp_path / "away").rename(archive.parent)
            until(lambda: drained(rig, 50), "all sinks to drain")
            log = rig.daemon.log.read_text()
        assert web.stored() == Counter(range(50))
        assert Counter(line["fields"]["n"] for line in archived(archive)) == Counter(range(50))
        for name in ("web", "archive"):
            assert log.count(f"sink {name}: ") == 2, log
            assert log.count(f"sink {name}: connected") == 1
    finally:
        web.program.close()


def test_only_an_http_sink_brings_the_http_client_into_memory(tmp_path: Path) -> None:
    archive = f'[sinks.archive]\ntype = "file"\npath = "{tmp_path}/readings.jsonl"\n'
    for name, extra, expected in (("without", archive, False), ("with", Web(tmp_path / "web").sink, True)):
        (tmp_path / name).mkdir()
        with Rig(tmp_path / name, extra=extra) as rig:
            maps = Path(f"/proc/{rig.daemon.pid}/maps").read_text()
            assert ("aiohttp" in maps) == expected
