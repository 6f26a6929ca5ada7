"""Dead letters: what a sink refused for good is kept, within bounds, until somebody sends it on its way again."""

from collections.abc import Callable
from itertools import groupby
from typing import TYPE_CHECKING

import msgspec

from collector.log import events
from collector.segment import Segment, join
from collector.spool.database import Database
from collector.spool.records import DeadLetter, decode_segment
from collector.spool.state import State
from collector.spool.tail import Tail

if TYPE_CHECKING:
    from collector.spool.spool import Spool

SHARE = 8
"""Dead letters take at most one part in so many of `max_bytes`."""

PAGE = 100
"""Letters in memory at a time, and those that one commit moves."""


class Page(msgspec.Struct):
    """Stored letters in order of their refusal, and the row to go on after; no row at the end."""

    letters: list[DeadLetter]
    last: int | None


async def page(state: State, database: Database, after: int, sink: str | None = None) -> Page:
    """The next letters above row `after`. Those that the next commit deletes are none any more."""
    rows = await database.letters(after, PAGE, sink)
    gone = set(state.buried)
    return Page([letter for _, letter in rows if letter.key not in gone], rows[-1][0] if rows else None)


async def bound(tail: Tail, database: Database, max_bytes: int) -> None:
    """Gives up the oldest letters until the rest keeps to its share, counted. Call it between commits."""
    limit = max_bytes // SHARE
    row: int | None = 0
    lost = 0
    while tail.state.dead_bytes > limit and row is not None:
        found = await page(tail.state, database, row)
        row, going, size = found.last, list[DeadLetter](), 0
        for letter in found.letters:
            if tail.state.dead_bytes - size <= limit:
                break
            going.append(letter)
            size += letter.size
        if going:
            tail.bury([letter.key for letter in going], size, "dead full")
            lost += len(going)
    if lost:
        events.SPOOL_FULL.log(
            "spool: dead letters take more than %d bytes: dropped the %d oldest; requeue or forget them in time",
            *(limit, lost),
            dropped=lost,
        )


async def requeue(spool: "Spool", chosen: Callable[[DeadLetter], bool]) -> int:
    """Sends chosen letters of configured sinks on their way again, under their identities; returns how many.

    On return they are committed. What is refused again meanwhile stays a letter. Raises SpoolError.
    """
    await spool.commit()
    state, database = spool.tail.state, spool.database
    through = await database.last_letter()
    row: int | None = 0
    count = 0
    while row is not None and row < through:
        async with spool.between_commits():
            found = await page(state, database, row)
            row = found.last
            going = [letter for letter in found.letters if state.configured(letter.sink) and chosen(letter)]
            requeued = _requeue(spool, going)
        if requeued:
            await spool.commit()
            count += requeued
    return count


def readable(letter: DeadLetter) -> Segment | None:
    """The reading as a segment of its own; None where the card has damaged it."""
    try:
        segment = decode_segment(letter.reading)
        segment.readings()
    except msgspec.DecodeError:
        return None
    return segment


def _requeue(spool: "Spool", letters: list[DeadLetter]) -> int:
    spool.flush()
    count = 0
    letters.sort(key=lambda letter: letter.key)
    for sink, group in groupby(letters, key=lambda letter: letter.sink):
        segments, size = list[Segment](), 0
        for letter in group:
            if (segment := readable(letter)) is not None:
                segments.append(segment)
                size += letter.size
        if segments:
            spool.tail.requeue(sink, _joined(segments), size)
            count += len(segments)
    return count


def _joined(segments: list[Segment]) -> list[Segment]:
    """What was one segment once is one again, as far as its readings are here."""
    runs: list[list[Segment]] = []
    for segment in segments:
        if runs and _follows(runs[-1][-1], segment):
            runs[-1].append(segment)
        else:
            runs.append([segment])
    return [join(run) for run in runs]


def _follows(one: Segment, other: Segment) -> bool:
    return other.first_seq == one.last_seq + 1 and _frame(one) == _frame(other)


def _frame(segment: Segment) -> Segment:
    return msgspec.structs.replace(segment, id=0, first_seq=0, count=0, body=b"")
