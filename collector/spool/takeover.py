"""Start of a run: what the last one left in the database and in the tail journal becomes one state."""

import secrets
from collections import Counter
from collections.abc import AsyncIterator, Sequence

import msgspec

from collector.errors import SpoolError
from collector.log import events
from collector.segment import Segment
from collector.spool.database import Database
from collector.spool.filling import assemble
from collector.spool.journal import Journal
from collector.spool.progress import Span, complement
from collector.spool.state import Drop, State, decode_state

_PAGE = 1000


async def take_over(database: Database, journal: Journal, sinks: Sequence[str]) -> State:
    """The state to go on from, with a new epoch. On return the database holds every pending segment.

    The journal counts if it is of this spool and not older than the last commit (a power cut empties
    the tmpfs). Its segments keep their identities; those the last commit already held are not taken twice.
    """
    blob = await database.load()
    try:
        stored = decode_state(blob) if blob is not None else State(spool_id=secrets.token_hex(8))
    except msgspec.DecodeError as error:
        raise SpoolError(f"spool: the stored state cannot be read ({error}); move the database away") from error
    state, segments = stored, list[Segment]()
    replay = journal.replay(stored.spool_id)
    if replay is not None and replay.state.lsn >= stored.lsn:
        state = replay.state
        segments = assemble([c for c in replay.chunks if c.id >= stored.next_id], state.epoch)
    state.configure(sinks)
    wanted = [
        segment for segment in segments if any(sink.missing(segment.id, segment.count) for sink in state.sinks.values())
    ]
    lost = 0 if replay is None or replay.whole else await _write_off(state, database, wanted)
    state.epoch = secrets.token_hex(8)
    letters, state.dead = state.dead, []
    if blob is None or wanted or letters or lost:
        await database.commit(wanted, letters, state.floor, state.checkpoint())
    if wanted:
        events.SPOOL_TAKEN_OVER.log(
            "spool: took over %d readings that the last run had in memory",
            sum(segment.count for segment in wanted),
        )
    return state


async def _write_off(state: State, database: Database, segments: Sequence[Segment]) -> int:
    """Drops, and counts, what the books say is pending and neither the database nor `segments` hold.

    Counts the whole backlog: only for a damaged journal. Returns how many readings the sinks lose.
    """
    pending = Counter({name: sink.pending for name, sink in state.sinks.items()})
    there: list[Span] = []
    async for id, count in _held(database, state.floor, segments):
        pending.subtract({name: sink.wanted(id, count) for name, sink in state.sinks.items()})
        if there and there[-1][1] == id:
            there[-1] = (there[-1][0], id + 1)
        else:
            there.append((id, id + 1))
    lost = {name: count for name, count in pending.items() if count > 0}
    if not lost:
        return 0
    for gap in complement([(0, state.floor + 1), *there], state.next_id):
        state.apply(Drop(gap, "damaged", {}))
    state.apply(Drop((0, 0), "damaged", lost))
    events.SPOOL_DAMAGED.log(
        "spool: %d readings were in the damaged part of the tail journal alone; dropped",
        sum(lost.values()),
        dropped=sum(lost.values()),
    )
    return sum(lost.values())


async def _held(database: Database, after: int, segments: Sequence[Segment]) -> AsyncIterator[tuple[int, int]]:
    """Id and length of every segment there is, in order; `segments` are newer than those stored."""
    while rows := await database.sizes(after, _PAGE):
        for after, count, _ in rows:
            yield after, count
    for segment in segments:
        yield segment.id, segment.count
