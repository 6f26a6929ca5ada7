"""Start of a run: what the last one left in the database and in the tail journal becomes one state."""

import secrets
from collections.abc import Sequence

import msgspec

from collector.errors import SpoolError
from collector.log import events
from collector.segment import Segment
from collector.spool.database import Database
from collector.spool.filling import assemble
from collector.spool.journal import Journal
from collector.spool.state import State, decode_state


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
        segments = [segment for segment in assemble(replay.chunks, state.epoch) if segment.id >= stored.next_id]
    state.configure(sinks)
    wanted = [
        segment for segment in segments if any(sink.missing(segment.id, segment.count) for sink in state.sinks.values())
    ]
    state.epoch = secrets.token_hex(8)
    letters, buried = state.dead, state.buried
    state.dead, state.buried = [], []
    if blob is None or wanted or letters or buried:
        await database.commit(wanted, letters, buried, state.floor, state.checkpoint())
    if wanted:
        events.SPOOL_TAKEN_OVER.log(
            "spool: took over %d readings that the last run had in memory",
            sum(segment.count for segment in wanted),
        )
    return state
