"""Keep-alive by a clock that is turned by hand."""

from collector.mqtt.keepalive import Keepalive


def quick(interval: float = 60) -> Keepalive:
    """Asks after 10 s of quiet, gives up after 20 s of silence."""
    keepalive = Keepalive(interval, now=0)
    keepalive.opened(0.05, None)
    return keepalive


def test_a_question_is_due_when_nothing_was_sent_for_a_sixth_of_the_interval() -> None:
    keepalive = quick()
    keepalive.sent(3)
    keepalive.heard(5)
    assert keepalive.next(5) == 8
    assert not keepalive.ask(12.9)
    assert keepalive.ask(13)


def test_a_question_is_due_when_nothing_was_heard_however_much_we_send() -> None:
    keepalive = quick()
    for second in range(10):
        keepalive.sent(second)
    assert keepalive.ask(10)


def test_silence_for_a_third_of_the_interval_is_the_end() -> None:
    keepalive = quick()
    keepalive.asked(10)
    assert keepalive.next(10) == 10
    assert not keepalive.expired(19.9)
    assert keepalive.expired(20)


def test_who_was_asked_late_still_has_half_the_time() -> None:
    keepalive = quick()
    keepalive.asked(17)
    assert not keepalive.expired(26.9)
    assert keepalive.expired(27)


def test_without_a_question_silence_ends_nothing() -> None:
    assert not quick().expired(1000)


def test_anything_heard_answers_the_question() -> None:
    keepalive = quick()
    keepalive.asked(10)
    keepalive.heard(19)
    assert not keepalive.expired(100)
    keepalive.sent(19)
    assert keepalive.next(19) == 10


def test_a_far_broker_may_be_silent_for_six_round_trips() -> None:
    keepalive = quick()
    keepalive.opened(5, None)
    keepalive.asked(10)
    assert not keepalive.expired(29.9)
    assert keepalive.expired(30)


def test_a_broker_that_wants_to_hear_from_us_sooner_does() -> None:
    keepalive = quick()
    keepalive.opened(0.05, 4)
    assert keepalive.ask(2)
    # One that would be content with less is asked for its own sign of life all the same.
    keepalive.opened(0.05, 600)
    assert keepalive.ask(2)


def test_no_interval_asks_for_nothing_unless_the_broker_does() -> None:
    keepalive = quick(0)
    assert keepalive.never
    keepalive.opened(0.05, 10)
    assert not keepalive.never
    assert keepalive.ask(5)
