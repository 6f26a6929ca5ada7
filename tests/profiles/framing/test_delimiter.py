"""Delimited frames: any split gives the same, and what is held is bounded."""

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.profiles.checksum import Checksum
from collector.profiles.framing.delimiter import DelimiterFraming

from .streams import split


def test_lines() -> None:
    lines = DelimiterFraming().framer(None)
    assert lines.feed(b"one\ntwo\r\n\n\r\nth") == [b"one", b"two"]
    assert lines.feed(b"ree\r") == []
    assert lines.feed(b"\nfour\r\r\n") == [b"three", b"four\r"]
    assert lines.feed(b"five") == []
    assert lines.end() == [b"five"], "the end of the input ends a line"
    assert lines.end() == []
    assert lines.refused == {}
    assert lines.garbage_bytes == 0


@given(
    st.text("ab\r\n", max_size=60).map(str.encode),
    st.sampled_from(["\n", "\r\n", "aba", "aa"]),
    st.integers(1, 6),
    st.lists(st.integers(0, 100)),
)
def test_any_split_gives_the_same(stream: bytes, delimiter: str, max_length: int, cuts: list[int]) -> None:
    framing = DelimiterFraming(delimiter=delimiter, max_length=max_length)
    whole, pieces = framing.framer(None), framing.framer(None)
    expected = whole.feed(stream) + whole.end()
    got = []
    for piece in split(stream, cuts):
        got += pieces.feed(piece)
        assert len(pieces._pending) <= max_length + len(delimiter)  # type: ignore[attr-defined]
    assert got + pieces.end() == expected
    assert pieces.refused == whole.refused
    reference = [line.removesuffix(b"\r") if delimiter == "\n" else line for line in stream.split(delimiter.encode())]
    assert expected == [line for line in reference if 0 < len(line) <= max_length]
    assert whole.refused["too long"] == sum(len(line) > max_length for line in reference)


@pytest.mark.parametrize("size", [1, 7, 100])
def test_longest_and_one_more(size: int) -> None:
    stream = b"x" * 10 + b"\r\n" + b"y" * 11 + b"\n" + b"z" * 1000 + b"\nend\n"
    lines = DelimiterFraming(max_length=10).framer(None)
    pieces = [stream[i : i + size] for i in range(0, len(stream), size)]
    assert [frame for piece in pieces for frame in lines.feed(piece)] == [b"x" * 10, b"end"]
    assert lines.refused == {"too long": 2}
    assert lines.garbage_bytes == 1011


def test_memory_is_bounded_without_a_delimiter() -> None:
    lines = DelimiterFraming().framer(None)
    chunk = b"x" * 50_000
    tracemalloc.start()
    for _ in range(2000):  # 100 MB
        assert lines.feed(chunk) == []
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_000_000
    assert lines.refused == {"too long": 1}
    assert lines.feed(b"\ngood\n") == [b"good"]
    assert lines.garbage_bytes == 100_000_000


def test_a_long_line_byte_by_byte_is_not_quadratic() -> None:
    lines = DelimiterFraming().framer(None)
    for _ in range(60_000):
        lines.feed(b"x")
    assert lines.feed(b"\n") == [b"x" * 60_000]


def test_end_while_discarding() -> None:
    lines = DelimiterFraming(max_length=2).framer(None)
    lines.feed(b"12345")
    assert lines.end() == []
    assert lines.refused == {"too long": 1}


def test_checksum() -> None:
    verify = Checksum(type="xor8", over=(1, -3), at=-2, encoding="hex").verifier()
    lines = DelimiterFraming().framer(verify)
    good = b"$GPVTG,108.53,T,,M,0.04,N,0.07,K,A*31"
    assert lines.feed(good + b"\r\n" + good[1:] + b"\r\n") == [good]
    assert lines.refused == {"checksum": 1}


def test_mistakes() -> None:
    assert [key for key, _ in DelimiterFraming(delimiter="").mistakes()] == ["delimiter"]
