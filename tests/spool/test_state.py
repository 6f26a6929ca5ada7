"""The books and the tables, record by record."""

import msgspec
from msgspec.structs import replace

from collector.clock import Regime
from collector.segment import Segment
from collector.spool.records import (
    Chunk,
    Confirm,
    DeadLetter,
    Drop,
    Forget,
    Settle,
    Shown,
    Synchronised,
    decode_record,
    encode_record,
)
from collector.spool.state import Sent, State, decode_state

REGIME = Regime("boot", 0, True)


def chunk(id: int, count: int = 10, origins: list[tuple[int, int]] | None = None) -> Chunk:
    return Chunk(id, 1, count, REGIME, b"body", {"air": count}, {"air": dict(origins)} if origins else {})


def state(*sinks: str) -> State:
    made = State(spool_id="spool")
    made.configure(sinks)
    return made


def remainder(books: State, sink: str) -> int:
    s = books.sinks[sink]
    return s.received - s.delivered - s.pending - sum(s.dropped.values()) - s.dead


def test_received_counts_for_each_configured_sink() -> None:
    books = state("cloud", "file")
    books.apply(chunk(1))
    assert books.received == {"air": 10}
    assert [(s.received, s.pending) for s in books.sinks.values()] == [(10, 10), (10, 10)]


def test_settling_twice_counts_once() -> None:
    books = state("cloud")
    books.apply(chunk(1))
    for _ in range(2):
        books.apply(Settle("cloud", 1, 10, [(0, 4)], []))
    assert (books.sinks["cloud"].delivered, books.sinks["cloud"].pending) == (4, 6)
    assert remainder(books, "cloud") == 0


def test_dead_letters_are_kept_and_counted() -> None:
    books = state("cloud")
    books.apply(chunk(1))
    letter = DeadLetter("cloud", "e", 3, "too large", b"x")
    books.apply(Settle("cloud", 1, 10, [(0, 2), (3, 10)], [(2, letter)]))
    assert (books.sinks["cloud"].dead, books.dead, books.sinks["cloud"].low) == (1, [letter], 1)
    assert remainder(books, "cloud") == 0


def test_dropping_counts_by_reason_and_moves_every_sink_on() -> None:
    books = state("cloud", "file")
    books.apply(chunk(1))
    books.apply(Settle("file", 1, 10, [(0, 10)], []))
    books.apply(Drop((1, 2), "full", {"cloud": 10}))
    assert books.sinks["cloud"].dropped == {"full": 10}
    assert [s.low for s in books.sinks.values()] == [1, 1]
    assert books.floor == 1
    assert remainder(books, "cloud") == remainder(books, "file") == 0


def test_a_fresh_message_replaces_the_one_with_its_token() -> None:
    books = state("cloud")
    books.apply(chunk(1, origins=[(1, 11), (2, 22)]))
    books.apply(chunk(2, origins=[(1, 99)]))
    assert [books.holder("air", *message) for message in ((1, 11), (1, 99), (2, 22))] == [None, 2, 1]


def test_no_session_clears_the_table() -> None:
    books = state("cloud")
    books.apply(chunk(1, origins=[(1, 11)]))
    books.apply(Forget("air"))
    assert books.sent == {}


def test_a_new_sink_joins_at_the_next_reading() -> None:
    books = state("cloud")
    books.apply(chunk(1))
    books.configure(["cloud", "late"])
    books.apply(chunk(2))
    assert (books.sinks["late"].received, books.sinks["late"].missing(1, 10)) == (10, [])


def test_a_sink_that_leaves_keeps_its_backlog_and_comes_back_past_the_gap() -> None:
    books = state("cloud", "file")
    books.apply(chunk(1))
    books.configure(["cloud"])
    books.apply(chunk(2))
    books.configure(["cloud", "file"])
    books.apply(chunk(3))
    file = books.sinks["file"]
    assert [bool(file.missing(id, 10)) for id in (1, 2, 3)] == [True, False, True]
    assert (file.received, file.pending) == (20, 20)


def test_a_sink_that_left_with_nothing_pending_holds_no_rows_back() -> None:
    books = state("cloud", "file")
    books.configure(["cloud"])
    books.apply(chunk(1))
    books.apply(Settle("cloud", 1, 10, [(0, 10)], []))
    assert books.floor == 1


def test_a_checkpoint_restores_the_state() -> None:
    books = state("cloud")
    books.apply(chunk(1, origins=[(1, 11)]))
    books.apply(chunk(2, origins=[(2, 22)]))
    books.apply(Settle("cloud", 1, 10, [(2, 5)], []))
    assert decode_state(books.checkpoint()) == books
    assert decode_state(books.checkpoint(since=2)).sent == {"air": [Sent(2, {2: 22})]}


def unsynchronised(id: int, boot: str = "boot") -> Segment:
    return Segment(id, "e", 1, 10, Regime(boot, 100, False), b"body")


def test_the_first_synchronisation_corrects_what_no_sink_has_seen() -> None:
    books = state("cloud")
    for id in range(1, 7):
        books.apply(chunk(id))
    for id in (2, 3, 5):
        books.apply(Shown("boot", (id, id + 1)))
    assert [books.dated(unsynchronised(id)).correction_ns for id in range(1, 7)] == [None] * 6
    books.apply(Synchronised("boot", 350, 6))
    assert [books.dated(unsynchronised(id)).correction_ns for id in range(1, 8)] == [
        250,
        None,
        None,
        250,
        None,
        250,
        None,
    ]
    assert books.dated(unsynchronised(1, "another")).correction_ns is None
    assert books.dated(replace(unsynchronised(1), regime=REGIME)).correction_ns is None
    assert decode_state(books.checkpoint()) == books


def test_boots_that_re_date_nothing_any_more_are_forgotten() -> None:
    books = state("cloud")
    books.apply(chunk(1))
    books.apply(Shown("never synchronised", (1, 2)))
    books.apply(chunk(2))
    books.apply(Synchronised("old", 350, 2))
    books.apply(Synchronised("older", 350, 1))
    assert set(books.boots) == {"old", "older"}
    books.apply(Settle("cloud", 1, 10, [(0, 10)], []))
    books.apply(Synchronised("boot", 350, 2))
    assert set(books.boots) == {"old", "boot"}


def test_a_checkpoint_from_before_boots_were_known_is_read() -> None:
    blob = msgspec.msgpack.decode(state("cloud").checkpoint())
    del blob["boots"]
    assert decode_state(msgspec.msgpack.encode(blob)) == state("cloud")


def test_records_survive_encoding() -> None:
    letter = DeadLetter("cloud", "e", 3, "why", b"x")
    for record in (
        chunk(1, origins=[(1, 2**64 - 1)]),
        Settle("cloud", 1, 10, [(0, 4)], [(4, letter)]),
        Drop((1, 5), "full", {"cloud": 3}),
        Forget("air"),
        Shown("boot", (3, 4)),
        Synchronised("boot", -1, 7),
    ):
        assert decode_record(encode_record(record)) == record


def test_what_is_confirmed_is_forgotten_and_what_was_sent_anew_is_not() -> None:
    books = state("cloud")
    books.apply(chunk(1, origins=[(1, 11), (2, 12)]))
    books.apply(chunk(2, origins=[(3, 13)]))
    books.apply(chunk(3, origins=[(1, 11)]))
    confirm = Confirm("air", 2)
    assert decode_record(encode_record(confirm)) == confirm
    books.apply(confirm)
    assert books.sent == {"air": [Sent(3, {1: 11})]}
    books.apply(Confirm("gone", 3))
