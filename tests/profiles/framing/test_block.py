"""Blocks: the byte that ends one may be any, and other messages come in between."""

from collector.profiles.framing.block import BlockFraming, Interleaved

from .streams import Counts, counts

BLOCKS = BlockFraming(end="\nsum\t", start="\nPID\t", ignore=Interleaved(start=":", end="\n"), max_length=100)


def ends_in_zero(frame: bytes) -> bool:
    return sum(frame) & 0xFF == 0


def block(text: bytes) -> bytes:
    return text + b"\nsum\t" + bytes([-sum(text + b"\nsum\t") & 0xFF])


def test_blocks_follow_each_other() -> None:
    framer, stream = BLOCKS.framer(ends_in_zero), block(b"\nPID\t1\nV\t2") + block(b"\nH1\t3")
    assert [frame for byte in stream for frame in framer.feed(bytes([byte]))] == [
        block(b"\nPID\t1\nV\t2"),
        block(b"\nH1\t3"),
    ]
    assert framer.end() == []
    assert counts(framer) == Counts({}, 0, 0)


def test_other_messages_are_taken_out() -> None:
    framer, good = BLOCKS.framer(ends_in_zero), block(b"\nPID\t1\nV\t2")
    assert framer.feed(good[:8] + b":7F0A\n" + good[8:]) == [good]
    assert framer.ignored == 1


def test_behind_garbage_a_block_is_found_by_its_start() -> None:
    framer, good = BLOCKS.framer(ends_in_zero), block(b"\nPID\t1\nV\t2")
    assert framer.feed(b"\nV\t12" + good) == [good]
    assert counts(framer) == Counts({}, 0, 5)
    damaged = good.replace(b"V", b"W")
    assert framer.feed(damaged + good) == [good]
    assert framer.refused == {"checksum": 1}


def test_without_an_end_nothing_is_kept() -> None:
    framer = BLOCKS.framer(ends_in_zero)
    assert framer.feed(b"x" * 1000) == framer.feed(b"\nPID\t") == framer.end() == []
    assert framer.refused == {"too long": 1, "incomplete": 1}
