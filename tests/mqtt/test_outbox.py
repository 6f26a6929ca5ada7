"""The outbox by itself: what one publish waits for, whatever happens to it."""

from hypothesis import given
from hypothesis import strategies as st

from collector.mqtt.outbox import WINDOW_LIMIT, Batch, Outbox
from collector.mqtt.packets import Connack, Message


def outbox(receive_maximum: int) -> Outbox:
    return Outbox(Connack(session_present=False, reason_code=0, receive_maximum=receive_maximum))


def batch(count: int, done: list[int]) -> Batch:
    return Batch([Message("t", b"x")] * count, lambda: done.append(count))


@given(st.integers(1, 8), st.lists(st.integers(0, 6), max_size=6), st.randoms())
def test_every_batch_is_done_exactly_once_and_the_window_holds(window: int, sizes: list[int], random: object) -> None:
    done: list[int] = []
    box = outbox(window)
    batches = [batch(size, done) for size in sizes]
    for each in batches:
        box.add(each)
    while box.take(1 << 16):
        assert 0 < box.in_flight <= window
        ids = list(box._in_flight)
        random.shuffle(ids)  # type: ignore[attr-defined]
        for packet_id in ids:
            assert box.acknowledge(packet_id, 0)
            assert not box.acknowledge(packet_id, 0)
    assert sorted(done) == sorted(sizes)
    assert all(each.codes == [0] * len(each.messages) for each in batches)


def test_abandon_finishes_what_is_sent_half_sent_and_waiting() -> None:
    done: list[int] = []
    box = outbox(3)
    batches = [batch(2, done), batch(4, done), batch(1, done)]
    for each in batches:
        box.add(each)
    box.take(1 << 16)
    box.acknowledge(1, 0)
    box.abandon()
    assert done == [2, 4, 1]
    assert [each.codes for each in batches] == [[0, None], [None] * 4, [None]]
    assert not box.take(1 << 16)
    assert not box.acknowledge(2, 0)


def test_ids_stay_free_at_the_largest_receive_maximum() -> None:
    box = outbox(65535)
    box.add(batch(65535, []))
    reserved = {box.reserve_id() for _ in range(10)}
    while box.take(1 << 20):
        pass
    assert box.in_flight == WINDOW_LIMIT
    assert not reserved & set(box._in_flight)
    assert box.reserve_id() not in box._in_flight


def test_take_stops_near_the_size_asked_for() -> None:
    box = outbox(1000)
    box.add(batch(1000, []))
    assert 100 <= len(box.take(100)) < 120
