"""Keep-alive by a clock that is turned by hand."""

from collector.mqtt.keepalive import Keepalive


def test_a_ping_is_due_when_nothing_was_sent_for_the_interval() -> None:
    keepalive = Keepalive(10, now=0)
    keepalive.sent(3)
    keepalive.heard(5)
    assert keepalive.next(5) == 8
    assert not keepalive.ping_due(12.9)
    assert keepalive.ping_due(13)


def test_a_ping_is_due_when_nothing_was_heard_however_much_we_send() -> None:
    keepalive = Keepalive(10, now=0)
    for second in range(10):
        keepalive.sent(second)
    assert keepalive.ping_due(10)


def test_the_answer_may_take_half_as_long_again_as_the_interval() -> None:
    keepalive = Keepalive(10, now=0)
    keepalive.pinged(10)
    assert keepalive.next(10) == 10
    assert keepalive.ping_due(20)
    keepalive.pinged(20)
    assert keepalive.next(20) == 5
    assert not keepalive.expired(24.9)
    assert keepalive.expired(25)


def test_anything_heard_answers_the_ping() -> None:
    keepalive = Keepalive(10, now=0)
    keepalive.pinged(10)
    keepalive.heard(24)
    assert not keepalive.expired(100)
    keepalive.sent(24)
    assert keepalive.next(24) == 10
