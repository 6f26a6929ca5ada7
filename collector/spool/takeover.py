"""Start of a run: what the last one left in the database and in the tail journal becomes one state."""

import secrets
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple

from collector.log import events
from collector.segment import Segment
from collector.spool.database import Database
from collector.spool.filling import SEAL_READINGS, assemble
from collector.spool.journal import Journal
from collector.spool.progress import Progress
from collector.spool.records import DeadLetter
from collector.spool.recovery import Recovered
from collector.spool.state import State

_LOOK = 4096
"""Rows looked at in one go."""


class TakenOver(NamedTuple):
    state: State
    """To go on from, with a new epoch."""
    segments: list[Segment]
    """What sinks want and the database does not hold, in order of id."""
    news: bool
    """The database does not know all of it yet."""


async def take_over(found: Recovered, journal: Journal, sinks: Sequence[str]) -> TakenOver:
    """Writes nothing: the disk may have no room.

    The journal counts if it is of this spool and not older than the last commit (a power cut empties
    the tmpfs). Its segments keep their identities; those the last commit already held are not taken twice.
    Where the database does not hold what it should, that is counted as dropped.
    """
    database, stored = found.database, found.stored
    known = 0 if stored is None else stored.committed + 1
    state, segments = stored, list[Segment]()
    went_back = not found.whole or (stored is not None and stored.committed < stored.next_id - 1)
    replay = journal.replay(stored.spool_id if stored is not None else None)
    if replay is not None and (stored is None or replay.state.lsn >= stored.lsn):
        state = replay.state
        went_back |= not replay.whole or stored is None or state.committed > stored.committed
        segments = [segment for segment in assemble(replay.chunks, state.epoch) if segment.id >= known]
    if state is None:
        state = State(spool_id=secrets.token_hex(8))
        await _adopt(database, state, sinks)
    went_back |= _gaps(state, known, {segment.id for segment in segments})
    state.configure(sinks)
    wanted = [
        segment for segment in segments if any(sink.missing(segment.id, segment.count) for sink in state.sinks.values())
    ]
    if went_back:
        wanted = await _give_up_what_is_gone(database, state, wanted)
    if not found.whole:
        await _give_up_letters_that_are_gone(database, state)
    state.epoch = secrets.token_hex(8)
    if wanted:
        events.SPOOL_TAKEN_OVER.log(
            "spool: took over %d readings that the last run had in memory",
            sum(segment.count for segment in wanted),
        )
    news = went_back or bool(wanted or state.dead or state.buried)
    return TakenOver(state, wanted, news)


def _gaps(state: State, known: int, held: set[int]) -> bool:
    """Whether a sink wants a segment from `known` on that no journal holds."""
    ids = [id for id in range(max(known, state.floor + 1), state.next_id) if id not in held]
    return any(sink.missing(id, SEAL_READINGS) for id in ids for sink in state.sinks.values())


async def _give_up_what_is_gone(database: Database, state: State, wanted: list[Segment]) -> list[Segment]:
    """Counts what sinks still want and nothing holds; returns what `wanted` holds alone."""
    stored = {id: count async for id, count in _rows(database, state.floor)}
    wanted = [segment for segment in wanted if segment.id not in stored]
    drops = state.missing_from(sorted([*stored.items(), *((segment.id, segment.count) for segment in wanted)]))
    for drop in drops:
        state.apply(drop)
    if lost := sum(count for drop in drops for count in drop.counts.values()):
        events.SPOOL_DAMAGED.log(
            "spool: %d readings are neither on the disk nor in the tail journal any more: dropped", lost, dropped=lost
        )
    return wanted


async def _give_up_letters_that_are_gone(database: Database, state: State) -> None:
    """Counts the dead letters that the books speak of and nothing holds."""
    buried = set(state.buried)
    sizes = {letter.key: letter.size async for letter in _letters(database) if letter.key not in buried}
    sizes |= {letter.key: letter.size for letter in state.dead}
    kept = Counter(sink for sink, _, _ in sizes)
    lost = Counter({name: sink.dead - kept[name] for name, sink in state.sinks.items()})
    for name, count in (+lost).items():
        state.sinks[name].dead -= count
        state.sinks[name].drop("damaged", count)
    state.dead_bytes = sum(sizes.values())
    if gone := (+lost).total():
        events.SPOOL_DAMAGED.log("spool: %d dead letters could not be read any more: dropped", gone, dropped=gone)


async def _adopt(database: Database, state: State, sinks: Sequence[str]) -> None:
    """Stored segments whose books are lost: every sink wants all of them (receivers know those they have)."""
    rows = [row async for row in _rows(database, 0)]
    if rows:
        state.next_id = rows[-1][0] + 1
        readings = sum(count for _, count in rows)
        for name in sinks:
            state.sinks[name] = Progress(low=rows[0][0] - 1, received=readings, pending=readings)
    async for letter in _letters(database):
        gone = Progress(low=state.next_id - 1, left=None if letter.sink in sinks else state.next_id)
        sink = state.sinks.setdefault(letter.sink, gone)
        sink.received, sink.dead, sink.refused = sink.received + 1, sink.dead + 1, sink.refused + 1
        state.dead_bytes += letter.size


async def _letters(database: Database) -> AsyncIterator[DeadLetter]:
    row = 0
    while letters := await database.letters(row, _LOOK):
        for _, letter in letters:
            yield letter
        row = letters[-1][0]


async def _rows(database: Database, after: int) -> AsyncIterator[tuple[int, int]]:
    """(id, readings) of the stored segments above `after`, in order."""
    while rows := await database.sizes(after, _LOOK):
        for id, count, _ in rows:
            yield id, count
        after = rows[-1][0]
