"""Telegrams: what opens and closes them, and what a readout in mode C has behind its end."""

import pytest

from collector.profiles.framing.telegram import TelegramFraming

from .streams import Counts, counts

PLAIN = TelegramFraming(start="/", end="!")
READOUT = TelegramFraming(start="/", end="!", block_check=True)


def test_a_telegram_ends_with_the_line_that_closes_it() -> None:
    framer = PLAIN.framer(None)
    assert framer.feed(b"noise/A\r\n1(2)\r\n!12") == []
    assert framer.feed(b"34\r\nbetween\r\n/B\r\n!") == [b"/A\r\n1(2)\r\n!1234"]
    assert framer.end() == [b"/B\r\n!"], "the end of the input ends a line"
    assert counts(framer) == Counts({}, 0, len(b"noise" + b"between\r\n"))


def test_one_that_never_ended_gives_way_to_the_next() -> None:
    framer = PLAIN.framer(None)
    assert framer.feed(b"/A\r\n1(2)\r\n/B\r\n!\r\n") == [b"/B\r\n!"]
    assert framer.feed(b"/C\r\n1(") == framer.end() == []
    assert framer.refused == {"incomplete": 1}


def test_the_check_byte_may_be_anything_but_must_be_there() -> None:
    for check in b"\n!/\x03":
        framer, readout = READOUT.framer(None), b"/A\r\n\x021(2)\r\n!\r\n\x03" + bytes([check])
        assert [frame for byte in readout for frame in framer.feed(bytes([byte]))] == [readout]
    framer = READOUT.framer(None)
    assert framer.feed(b"/A\r\n\x02\r\n!\r\n/B\r\n!\r\n") == [b"/B\r\n!"]
    assert framer.refused == {"end": 1}
    assert framer.feed(b"/A\r\n\x02\r\n!\r\n\x03") == framer.end() == []


def test_one_that_is_too_long_is_refused_once() -> None:
    framer = TelegramFraming(start="/", end="!", max_length=20).framer(None)
    assert framer.feed(b"/A\r\n" + b"1(2)\r\n" * 9) == []
    assert framer.feed(b"x" * 50) == framer.feed(b"x\r\n") == []
    assert framer.feed(b"/B\r\n!\r\n") == [b"/B\r\n!"]
    assert framer.refused == {"too long": 1}


@pytest.mark.parametrize(("frame", "reason"), [(b"A\r\n!", "start"), (b"/" * 20_000, "too long"), (b"/A\r\n!", None)])
def test_messages(frame: bytes, reason: str | None) -> None:
    assert PLAIN.refusal(frame) == reason
