"""A sink that left the configuration: what waits for it is kept for a while, then dropped."""

from typing import TYPE_CHECKING

from collector.log import events
from collector.spool import letters
from collector.spool.state import State

if TYPE_CHECKING:
    from collector.spool.spool import Spool

KEPT = 7 * 86400.0
"""Seconds. Running time counts, never wall time: a clock that jumps, or a box in a drawer, drops nothing."""

EVERY = 60.0
"""Seconds after which running time is journaled: what SIGKILL may take back."""


def holding(state: State) -> list[str]:
    """Departed sinks that still hold readings or dead letters."""
    return [name for name, sink in state.sinks.items() if sink.left is not None and (sink.pending or sink.dead)]


def announce(state: State) -> None:
    """One line for each departed sink: it may be a slip of the pen."""
    for name in holding(state):
        sink = state.sinks[name]
        events.SINK_DEPARTED.log(
            "sink %s: not configured any more; the %d readings kept for it are dropped after %.1f days of running "
            "time; put it back, or: edge-collector spool forget %s",
            *(name, sink.pending + sink.dead, max(0.0, KEPT - sink.away) / 86400, name),
            sink=name,
        )


async def look_after(spool: "Spool", elapsed: float) -> None:
    """Counts running time, `elapsed` seconds not counted yet, and drops what is kept for sinks long gone."""
    state = spool.tail.state
    names = holding(state)
    if names and elapsed >= EVERY:
        spool.elapse()
    for name in names:
        if state.sinks[name].away >= KEPT:
            await drop(spool, name)


async def drop(spool: "Spool", name: str) -> int:
    """Gives up all that is kept for a departed sink, counted and committed; returns how many readings.

    Rows go in small transactions, between which others have their turn.
    """
    await spool.commit()
    tail, database = spool.tail, spool.database
    lost = 0
    row: int | None = 0
    while row is not None:
        async with spool.between_commits():
            found = await letters.page(tail.state, database, row, name)
            row = found.last
            if found.letters:
                size = sum(letter.size for letter in found.letters)
                tail.bury([letter.key for letter in found.letters], size, "departed")
                lost += len(found.letters)
        if found.letters:
            await spool.commit()
    lost += tail.abandon(name)
    await spool.commit()
    while database.unswept:
        await database.sweep()
    if lost:
        events.SINK_FORGOTTEN.log(
            "sink %s: dropped the %d readings that were kept since it left the configuration",
            *(name, lost),
            sink=name,
            dropped=lost,
        )
    return lost
