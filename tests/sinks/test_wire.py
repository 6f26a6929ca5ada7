"""What other programs see is what the README promises them, to the byte."""

import json

from collector.clock import Regime
from collector.reading import Reading
from collector.segment import Part, Segment, encode
from collector.sinks import wire

TIME = 1_763_910_245_123_456_789


def segment(*readings: Reading, synchronised: bool = True, correction_ns: int | None = None) -> Segment:
    for seq, reading in enumerate(readings, 1842):
        reading.seq = seq
    body, regime = encode(list(readings)), Regime("b", 0, synchronised)
    return Segment(7, "5f2c9a1e03b7d846", 1842, len(readings), regime, body, correction_ns)


def single(collector: str, segment: Segment) -> bytes:
    [reading] = wire.readings(Part(segment, 0, 1))
    return wire.single(collector, segment.epoch, reading)


def test_a_reading() -> None:
    reading = Reading(0, "air", "air", TIME, "synced", {"pm2_5": 12.3, "pm10": 26.1})
    assert single("greenhouse-01", segment(reading)) == (
        b'{"id":"greenhouse-01/5f2c9a1e03b7d846/1842","collector":"greenhouse-01","source":"air","device":"air",'
        b'"time":"2025-11-23T15:04:05.123456Z","clock":"synced","fields":{"pm2_5":12.3,"pm10":26.1}}'
    )


def test_a_batch() -> None:
    readings = [
        Reading(0, "air", "a", TIME, "unsynced", {"x": 1}),
        Reading(0, "air", "b", TIME, "unsynced", {"x": None}, ["x"]),
    ]
    batch = json.loads(wire.batch("box", Part(segment(*readings, synchronised=False), 0, 2)))
    assert batch == {
        "collector": "box",
        "epoch": "5f2c9a1e03b7d846",
        "first_seq": 1842,
        "last_seq": 1843,
        "readings": [
            {"seq": 1842, "source": "air", "device": "a", "time_ns": TIME, "clock": "unsynced", "fields": {"x": 1}},
            {
                "seq": 1843,
                "source": "air",
                "device": "b",
                "time_ns": TIME,
                "clock": "unsynced",
                "fields": {"x": None},
                "suspect": ["x"],
            },
        ],
    }


def test_half_a_batch_has_its_own_bounds() -> None:
    whole = Part(segment(*(Reading(0, "s", "d", TIME, "synced", {"n": n}) for n in range(10))), 0, 10)
    second = json.loads(wire.batch("box", whole.halves()[1]))
    assert (second["first_seq"], second["last_seq"]) == (1847, 1851)
    assert [reading["seq"] for reading in second["readings"]] == list(range(1847, 1852))


def test_a_retry_sends_the_same_bytes() -> None:
    part = Part(segment(Reading(0, "s", "d", TIME, "synced", {"n": 1.5})), 0, 1)
    assert wire.batch("box", part) == wire.batch("box", part)


def test_a_correction_is_in_the_time_and_said() -> None:
    own = Reading(0, "s", "d", TIME, "synced", {})
    ours = Reading(0, "s", "d", TIME, "unsynced", {})
    corrected = segment(ours, own, synchronised=False, correction_ns=3_600_000_000_000)
    batch = json.loads(wire.batch("box", Part(corrected, 0, 2)))
    assert [(reading["clock"], reading["time_ns"]) for reading in batch["readings"]] == [
        ("corrected", TIME + 3_600_000_000_000),
        ("synced", TIME),
    ]
    alone = json.loads(single("box", corrected))
    assert (alone["clock"], alone["time"]) == ("corrected", "2025-11-23T16:04:05.123456Z")


def test_a_correction_of_nothing_is_one_too() -> None:
    right = segment(Reading(0, "s", "d", TIME, "unsynced", {}), synchronised=False, correction_ns=0)
    assert b'"clock":"corrected"' in wire.batch("box", Part(right, 0, 1))
