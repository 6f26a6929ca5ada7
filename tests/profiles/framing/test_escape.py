"""SML transport: escapes in the data, ends that are none, starts in the middle."""

from collector.profiles.framing.escape import ESCAPE, START, EscapeFraming
from collector.reading import Decoded

FRAMING = EscapeFraming(max_length=64)


def frame(data: bytes) -> bytes:
    escaped = data.replace(ESCAPE, ESCAPE * 2)
    fill = -len(escaped) % 4
    return START + escaped + bytes(fill) + ESCAPE + bytes([0x1A, fill, 0x12, 0x34])


def content(whole: bytes) -> bytes:
    seen: list[bytes] = []

    def read(data: bytes) -> list[Decoded]:
        seen.append(data)
        return []

    FRAMING.inside(read)(whole)
    return seen[0]


def test_any_data_comes_out_as_it_went_in() -> None:
    for data in (b"", b"a", b"ab", b"abcde", ESCAPE, b"ab" + ESCAPE + b"\x1a\x00\x00\x00", b"abc\x1b", ESCAPE + START):
        framer, whole = FRAMING.framer(None), frame(data)
        assert [one for byte in whole for one in framer.feed(bytes([byte]))] == [whole], data
        assert content(whole) == data
        assert framer.garbage_bytes == 0


def test_a_start_in_the_middle_begins_anew() -> None:
    framer = FRAMING.framer(None)
    assert framer.feed(frame(b"abcd")[:10] + frame(b"efgh")) == [frame(b"efgh")]
    assert framer.garbage_bytes == 10


def test_what_is_too_long_is_garbage() -> None:
    framer = FRAMING.framer(None)
    assert framer.feed(START + b"x" * 200) == []
    assert framer.feed(frame(b"abcd")) == [frame(b"abcd")]


def test_a_frame_that_is_refused_does_not_take_the_next_along() -> None:
    framer = FRAMING.framer(lambda one: b"bad!" not in one)
    assert framer.feed(frame(b"bad!") + frame(b"good")) == [frame(b"good")]
    assert framer.refused == {"checksum": 1}
    assert [FRAMING.refusal(one) for one in (frame(b"a"), b"a", START + b"a" * 8)] == [None, "start", "end"]
