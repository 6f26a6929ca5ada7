"""What other programs see is what the README promises them, to the byte."""

import json

from collector.clock import Regime
from collector.reading import Reading
from collector.segment import Part, Segment, encode
from collector.sinks import wire

TIME = 1_763_910_245_123_456_789


def segment(*readings: Reading, synchronised: bool = True, correction_ns: int | None = None) -> Segment:
    body, regime = encode(list(readings)), Regime("b", 0, synchronised)
    return Segment(7, "5f2c9a1e03b7d846", 1842, len(readings), regime, body, correction_ns)


def test_a_reading() -> None:
    reading = Reading("air", "air", TIME, {"pm2_5": 12.3, "pm10": 26.1})
    assert wire.single("greenhouse-01", segment(reading), 0, reading) == (
        b'{"id":"greenhouse-01/5f2c9a1e03b7d846/1842","collector":"greenhouse-01","source":"air","device":"air",'
        b'"time":"2025-11-23T15:04:05.123456Z","clock":"synced","fields":{"pm2_5":12.3,"pm10":26.1}}'
    )


def test_a_batch() -> None:
    readings = [
        Reading("air", "a", TIME, {"x": 1}),
        Reading("air", "b", TIME, {"x": None}, ["x"]),
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
    whole = Part(segment(*(Reading("s", "d", TIME, {"n": n}) for n in range(10))), 0, 10)
    second = json.loads(wire.batch("box", whole.halves()[1]))
    assert (second["first_seq"], second["last_seq"]) == (1847, 1851)
    assert [reading["seq"] for reading in second["readings"]] == list(range(1847, 1852))


def test_a_retry_sends_the_same_bytes() -> None:
    part = Part(segment(Reading("s", "d", TIME, {"n": 1.5})), 0, 1)
    assert wire.batch("box", part) == wire.batch("box", part)


def test_time_from_the_payload_is_not_doubted() -> None:
    reading = Reading("s", "d", TIME, {}, own_time=True)
    assert b'"clock":"synced"' in wire.single("box", segment(reading, synchronised=False), 0, reading)


def test_a_correction_is_in_the_time_and_said() -> None:
    own = Reading("s", "d", TIME, {}, own_time=True)
    corrected = segment(Reading("s", "d", TIME, {}), own, synchronised=False, correction_ns=3_600_000_000_000)
    batch = json.loads(wire.batch("box", Part(corrected, 0, 2)))
    assert [(reading["clock"], reading["time_ns"]) for reading in batch["readings"]] == [
        ("corrected", TIME + 3_600_000_000_000),
        ("synced", TIME),
    ]
    single = json.loads(wire.single("box", corrected, 0, corrected.readings()[0]))
    assert (single["clock"], single["time"]) == ("corrected", "2025-11-23T16:04:05.123456Z")


def test_a_correction_of_nothing_is_one_too() -> None:
    right = segment(Reading("s", "d", TIME, {}), synchronised=False, correction_ns=0)
    assert b'"clock":"corrected"' in wire.batch("box", Part(right, 0, 1))
