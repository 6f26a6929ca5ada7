"""The far end counts every form in which readings come, and knows a repetition from a second reading."""

import json
import zlib

from tests.bench.arrivals import Arrivals
from tests.bench.messages import FIRST, PROBE, payloads


def reading(number: int, seq: int, epoch: str = "5f2c9a1e03b7d846") -> bytes:
    body = {"id": f"box/{epoch}/{seq}", "device": "3", "fields": json.loads(payloads(number, 1)[0])}
    return json.dumps(body, separators=(",", ":")).encode()


def batch(first_seq: int, numbers: list[int], epoch: str = "5f2c9a1e03b7d846") -> bytes:
    readings = [{"seq": first_seq + i, "fields": {"n": number}} for i, number in enumerate(numbers)]
    return zlib.compress(
        json.dumps({"epoch": epoch, "first_seq": first_seq, "readings": readings}, separators=(",", ":")).encode()
    )


def test_messages_handed_through_as_they_are() -> None:
    arrivals = Arrivals(5)
    arrivals.take(payloads(FIRST, 3))
    arrivals.take(payloads(FIRST + 2, 1))
    assert (arrivals.unique, arrivals.lost, arrivals.twice, arrivals.repeated) == (3, 2, 1, 0)


def test_many_readings_in_one_message() -> None:
    arrivals = Arrivals(3)
    rows = [{"ts": 1, "values": {"n": FIRST + i}} for i in range(3)]
    arrivals.take([json.dumps({"3": rows}, separators=(",", ":")).encode()])
    assert arrivals.lost == 0


def test_a_repetition_under_the_same_identity_is_no_second_reading() -> None:
    arrivals = Arrivals(2)
    arrivals.take([reading(FIRST, 1), reading(FIRST + 1, 2), reading(FIRST, 1)])
    assert (arrivals.unique, arrivals.twice, arrivals.repeated) == (2, 0, 1)


def test_the_same_number_under_another_identity_is_twice() -> None:
    arrivals = Arrivals(1)
    arrivals.take([reading(FIRST, 1), reading(FIRST, 1, epoch="00000000000000ff")])
    assert (arrivals.twice, arrivals.repeated) == (1, 0)


def test_batches_are_opened() -> None:
    arrivals = Arrivals(4)
    arrivals.take([batch(1, [FIRST, FIRST + 1]), batch(1, [FIRST, FIRST + 1]), batch(3, [FIRST + 1])])
    assert (arrivals.unique, arrivals.twice, arrivals.repeated) == (2, 1, 2)


def test_probes_are_not_counted() -> None:
    arrivals = Arrivals(1)
    arrivals.take([*payloads(PROBE, 1), b'{"state":"online"}', b""])
    assert (arrivals.probes, arrivals.unique, arrivals.lost) == (1, 0, 1)
