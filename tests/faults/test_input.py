"""What comes in is noise, too much, too large or senseless: it is counted, and what is sound goes on its way."""

import contextlib
import json
import random
import sqlite3
import time
from pathlib import Path

import paho.mqtt.client as paho
import pytest

from tests.end_to_end.rig import Rig, publish, until
from tests.faults.line import Line

MEMORY = 100 * 1024 * 1024


def largest(pid: int) -> int:
    """The most memory the process has had, bytes."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no VmHWM")


def telegram(pm2_5: int, pm10: int) -> bytes:
    """Of the SDS011, in tenths of ug/m3."""
    body = pm2_5.to_bytes(2, "little") + pm10.to_bytes(2, "little") + b"\xa1\x60"
    return b"\xaa\xc0" + body + bytes((sum(body) & 0xFF,)) + b"\xab"


def values(rig: Rig, source: str) -> list[dict[str, float]]:
    """The fields of what the receiver has of a source, in order."""
    with contextlib.closing(sqlite3.connect(rig.database)) as connection:
        rows = connection.execute("SELECT fields FROM reading WHERE source = ? ORDER BY epoch, seq", (source,))
        return [json.loads(row[0]) for row in rows]


def connected(rig: Rig) -> bool:
    return bool(rig.status()["sources"]["line"]["connected"])


@pytest.mark.fault(39, 41)
@pytest.mark.parametrize("seed", [1, 2])
def test_a_line_full_of_noise_costs_at_most_the_frame_it_hits(tmp_path: Path, seed: int) -> None:
    """As a wrong baud rate gives it, and worse: bursts that look like frames, halves of them, two in one."""
    rng, count = random.Random(seed), 400
    bursts = [
        lambda: rng.randbytes(rng.randrange(1, 40)),
        lambda: telegram(9, 9)[: rng.randrange(1, 9)],
        lambda: b"\xaa\xc0" * rng.randrange(1, 8),
        lambda: telegram(7, 7)[:5] + b"\xaa\xc0",
        lambda: bytes(b ^ 0x55 for b in telegram(5, 5)),
    ]
    with Line(tmp_path / "line") as line, Rig(tmp_path, extra=line.source("nova-sds011")) as rig:
        until(lambda: connected(rig), "the line")
        for number in range(count):
            line.send(telegram(1_000 + number, 2_000 + number))
            if number % 10 == 9:
                line.send(rng.choice(bursts)())
        line.send(telegram(1, 1) * 3)
        until(lambda: rig.status()["sources"]["line"]["latest"]["fields"]["pm2_5"] == 0.1, "the last frame")
        rig.wait_drained(0)
        until(lambda: [one["pm2_5"] for one in values(rig, "line")[-1:]] == [0.1], "the receiver to have it")
        got = [fields["pm2_5"] for fields in values(rig, "line")]
        sound = [(1_000 + number) / 10 for number in range(count)]
        assert len(set(got) & set(sound)) >= count - count // 10
        assert set(got) <= {*sound, 0.1}, f"seed {seed}: noise became a reading"
        assert rig.ledger()["remainder"] == 0


@pytest.mark.fault(39)
@pytest.mark.slow_fault
def test_100_megabytes_without_a_delimiter(tmp_path: Path) -> None:
    with Line(tmp_path / "line") as line, Rig(tmp_path, extra=line.source("json-lines")) as rig:
        until(lambda: connected(rig), "the line")
        line.send(b'{"n":0}\n')
        for _ in range(1_600):
            line.send(b"x" * 65_536)
        line.send(b'\n{"n":1}\n')
        rig.check_exactly_once(2)
        assert largest(rig.daemon.pid) < MEMORY
        assert sum(rig.status()["sources"]["line"]["invalid"].values()) >= 1


@pytest.mark.fault(42)
def test_a_sensor_that_is_stuck_or_out_of_its_range(tmp_path: Path) -> None:
    """Stuck is no fault anybody could tell from calm air; beyond its range a value stays and is marked."""
    with Line(tmp_path / "line") as line, Rig(tmp_path, extra=line.source("nova-sds011")) as rig:
        until(lambda: connected(rig), "the line")
        line.send(telegram(123, 261) * 50)
        line.send(telegram(60_000, 261))
        publish(rig.devices.port, range(10))
        until(lambda: len(values(rig, "line")) == 51, "the receiver to have them")
        assert values(rig, "line")[:50] == [{"pm2_5": 12.3, "pm10": 26.1}] * 50
        assert values(rig, "line")[50]["pm2_5"] == 6_000.0
        with contextlib.closing(sqlite3.connect(rig.database)) as connection:
            assert "suspect" in [row[1] for row in connection.execute("PRAGMA table_info(reading)")]
            marked = connection.execute("SELECT suspect FROM reading WHERE suspect IS NOT NULL AND suspect != '[]'")
            assert len(marked.fetchall()) == 1


@pytest.mark.fault(44)
@pytest.mark.slow_fault
def test_a_flood_faster_than_the_uplink(tmp_path: Path) -> None:
    count = 40_000
    with Rig(tmp_path, delay=0.1) as rig:
        publish(rig.devices.port, range(count))
        rig.check_exactly_once(count)
        assert largest(rig.daemon.pid) < MEMORY


@pytest.mark.fault(44)
@pytest.mark.slow_fault
def test_retained_messages_and_duplicates_in_masses(tmp_path: Path) -> None:
    """Equal messages are readings all the same; retained ones do not come again with a restart."""
    count = 3_000
    with Rig(tmp_path) as rig:
        client = paho.Client(paho.CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
        client.connect("127.0.0.1", rig.devices.port)
        client.loop_start()
        last = None
        for number in range(count):
            last = client.publish(f"meter/{number}", b'{"n":0}', qos=1, retain=True)
        assert last is not None
        last.wait_for_publish(60)
        client.disconnect()
        client.loop_stop()
        assert rig.wait_drained(count)["received"] == count
        rig.daemon.end()
        rig.daemon.start()
        rig.wait_ready()
        until(lambda: rig.status()["sources"]["meter"]["connected"], "the source")
        time.sleep(1)
        books = rig.wait_drained(count)
        assert (books["received"], books["delivered"], books["remainder"]) == (count, count, 0)
        until(lambda: rig.stored()[0] == count, "the receiver to store everything")


@pytest.mark.fault(45)
def test_bombs_in_topics_and_keys(tmp_path: Path) -> None:
    """20,000 long topics, keys by the thousand, keys that come twice."""
    bombs = [
        json.dumps({f"k{at}": at for at in range(5_000)}).encode(),
        b'{"n":1,"n":2,"n":3}',
        json.dumps({"k" * 60_000: 1}).encode(),
        b'{"a":' * 500 + b"1" + b"}" * 500,
        b'{"n":' + b"9" * 100_000 + b"}",
        b'{"n":1e999}',
    ]
    with Rig(tmp_path) as rig:
        client = paho.Client(paho.CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
        client.max_queued_messages_set(0)
        client.connect("127.0.0.1", rig.devices.port)
        client.loop_start()
        for bomb in bombs:
            client.publish("meter/1", bomb, qos=1).wait_for_publish(30)
        last = None
        for number in range(5_000):
            last = client.publish(f"meter/{number:05}{'t' * 1_000}", b"[]", qos=1)
        assert last is not None
        last.wait_for_publish(60)
        client.disconnect()
        client.loop_stop()
        publish(rig.devices.port, range(1_000, 1_100))
        until(lambda: rig.stored().keys() >= set(range(1_000, 1_100)), "what came behind the bombs")
        until(lambda: rig.status()["sources"]["meter"]["unacknowledged"] == 0, "everything to be acknowledged")
        books = rig.wait_drained(100)
        assert (books["remainder"], books["dropped"], books["dead"]) == (0, {}, 0)
        assert largest(rig.daemon.pid) < MEMORY
