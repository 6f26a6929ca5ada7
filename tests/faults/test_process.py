"""The process killed, stopped and starved: what it had in hand is delivered once all the same."""

import random
import signal
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.clouds import Web, archived
from tests.end_to_end.rig import Publisher, Rig, publish, until
from tests.faults.memory import limited, need_cgroup


def archive(directory: Path) -> str:
    directory.mkdir()
    return f'[sinks.archive]\ntype = "file"\npath = "{directory}/readings.jsonl"\nmax_bytes = "1 MiB"\nkeep = 100\n'


def check_everywhere(rig: Rig, web: Web, directory: Path, count: int) -> None:
    """As `check_exactly_once`, at all three far ends."""

    def drained() -> bool:
        return all(sink["ledger"]["pending"] == 0 for sink in rig.status()["sinks"].values())

    rig.check_exactly_once(count)
    until(drained, "all sinks to drain")
    for name, sink in rig.status()["sinks"].items():
        books = sink["ledger"]
        assert (books["delivered"], books["dropped"], books["dead"], books["remainder"]) == (count, {}, 0, 0), name
    everything = Counter(range(count))
    assert web.stored() == everything
    assert Counter(line["fields"]["n"] for line in archived(directory / "readings.jsonl")) == everything


@pytest.mark.fault(1)
@pytest.mark.slow_fault
@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    ("seed", "options"),
    [
        (1, {}),
        (2, {"format": "batch", "delay": 0.05}),
        (3, {"extra": '[spool]\ndurability = "strict"\n'}),
        (4, {"delay": 0.02, "extra": '[spool]\nhold = "200ms"\ncommit_after = "100ms"\n'}),
    ],
    ids=["seed 1, normal", "seed 2, slow uplink, batches", "seed 3, strict", "seed 4, many commits"],
)
def test_fifty_sigkills_at_random_points(tmp_path: Path, seed: int, options: dict[str, Any]) -> None:
    """Also in the middle of starting, and with the uplink away for the middle third. The seed is in the name."""
    rng, rate = random.Random(seed), 250
    pauses = [rng.choice((rng.uniform(0.05, 0.7), rng.uniform(0.7, 1.7))) for _ in range(50)]
    count = int(sum(pauses) * rate)
    with Web(tmp_path / "web") as web:
        extra = options.get("extra", "") + web.sink + archive(tmp_path / "archive")
        with Rig(tmp_path, **{**options, "extra": extra}) as rig:
            publisher = Publisher(rig.devices.port, range(count), rate=rate)
            for kill, pause in enumerate(pauses):
                if kill == 20:
                    rig.cloud.stop()
                if kill == 35:
                    rig.cloud.start()
                time.sleep(pause)
                assert rig.daemon.end(signal.SIGKILL) == -signal.SIGKILL, f"seed {seed}, kill {kill}: it ended itself"
                rig.daemon.start()
            rig.wait_ready()
            publisher.done()
            check_everywhere(rig, web, tmp_path / "archive", count)


JOURNAL = [
    "before collector.spool.journal:Journal.append",
    "after collector.spool.journal:Journal.append",
    "before collector.spool.journal:Journal.begin",
    "after collector.spool.journal:Journal.begin",
]
DELIVERY = [
    f"{when} collector.sinks.{sink}.deliver"
    for when in ("before", "after")
    for sink in ("mqtt:MqttSink", "http:HttpSink", "file:FileSink")
] + ["after collector.spool.tail:Tail.settle"]
COMMIT = [
    "before collector.spool.database:Database.commit",
    "after collector.spool.database:Database.commit",
    "after collector.spool.tail:Tail.commit_done",
]
ACKNOWLEDGE = [
    "before collector.sources.mqtt:MqttSource.acknowledge",
    "after collector.sources.mqtt:MqttSource.acknowledge",
]


def killed_at_each(tmp_path: Path, places: list[str], hits: list[int], *, away: bool = False) -> None:
    """A run killed at every hit of every place in turn, then one that is left alone. With `away`, no uplink."""
    with Web(tmp_path / "web") as web, Rig(tmp_path, extra=web.sink + archive(tmp_path / "archive")) as rig:
        count = 0
        plain = rig.daemon.command
        if away:
            rig.cloud.stop()
        for place in places:
            for hit in hits:
                rig.daemon.end(signal.SIGKILL)
                rig.daemon.command = [sys.executable, "-m", "tests.faults.failpoint", f"{place} {hit}"]
                rig.daemon.start()
                # The message a kill comes from; one hit may take several.
                for _ in range(200):
                    if not rig.daemon.running:
                        break
                    publish(rig.devices.port, range(count, count + 10))
                    count += 10
                assert rig.daemon.wait(10) == -signal.SIGKILL, f"{place}, hit {hit}: never reached"
                rig.daemon.command = plain
                rig.daemon.start()
        if away:
            rig.cloud.start()
        rig.wait_ready()
        check_everywhere(rig, web, tmp_path / "archive", count)


@pytest.mark.fault(2)
@pytest.mark.slow_fault
def test_sigkill_between_commit_and_acknowledgement(tmp_path: Path) -> None:
    killed_at_each(tmp_path, [COMMIT[1], ACKNOWLEDGE[0]], [2], away=True)


@pytest.mark.fault(3)
def test_sigkill_between_delivery_and_progress(tmp_path: Path) -> None:
    killed_at_each(tmp_path, DELIVERY[3:], [1])


@pytest.mark.fault(1, 2, 3)
@pytest.mark.slow_fault
@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    ("places", "away"),
    [(JOURNAL, False), (DELIVERY, False), (COMMIT, True), (ACKNOWLEDGE, False), (ACKNOWLEDGE, True)],
    ids=["journal", "delivery", "commit, uplink away", "acknowledge", "acknowledge, uplink away"],
)
def test_sigkill_at_every_step_of_a_reading(tmp_path: Path, places: list[str], away: bool) -> None:
    killed_at_each(tmp_path, places, [1, 2, 5] if places is not JOURNAL else [1], away=away)


@pytest.mark.fault(4)
def test_sigterm_under_load_and_a_second_one(tmp_path: Path) -> None:
    count = 6_000
    with Rig(tmp_path, delay=0.05) as rig:
        publisher = Publisher(rig.devices.port, range(count), rate=1_500)
        for again in (False, True):
            time.sleep(1.0)
            rig.daemon.send(signal.SIGTERM)
            if again:
                time.sleep(0.1)
                rig.daemon.send(signal.SIGTERM)
            assert rig.daemon.wait(20) == 0
            rig.daemon.start()
            rig.wait_ready()
        publisher.done()
        rig.check_exactly_once(count)


@pytest.mark.fault(5)
@pytest.mark.slow_fault
def test_stopped_for_longer_than_keep_alive(tmp_path: Path) -> None:
    """Both brokers give it up (1.5 times keep-alive), and it finds its sessions again."""
    count = 4_000
    keepalive = 'keepalive = "1s"'
    with Rig(tmp_path, meter=keepalive, sink=keepalive) as rig:
        publisher = Publisher(rig.devices.port, range(count), rate=800)
        time.sleep(1)
        rig.daemon.send(signal.SIGSTOP)
        for broker in (rig.devices, rig.cloud):
            until(lambda broker=broker: "exceeded timeout" in broker.read_log(), "the broker to give it up")
        rig.daemon.send(signal.SIGCONT)
        publisher.done()
        rig.check_exactly_once(count)
        assert rig.status()["sources"]["meter"]["connected"]


@pytest.mark.fault(6)
@pytest.mark.slow_fault
def test_killed_for_want_of_memory(tmp_path: Path) -> None:
    """The kernel's own OOM kill, in a memory cgroup that is made too small under load."""
    need_cgroup()
    count = 6_000
    with Rig(tmp_path) as rig:
        publisher = Publisher(rig.devices.port, range(count), rate=1_500)
        time.sleep(1)
        with limited(rig.daemon.pid) as kill_it:
            kill_it()
            assert rig.daemon.wait(20) == -signal.SIGKILL
        rig.daemon.start()
        rig.wait_ready()
        publisher.done()
        rig.check_exactly_once(count)
