"""The bound: when the spool is full the oldest segments go, counted."""

from collector.log import events
from collector.spool.database import Database
from collector.spool.tail import Tail

_LOOK = 256
_ROW_BYTES = 100
"""What a row takes besides its body, about."""


async def make_room(tail: Tail, database: Database, max_bytes: int) -> bool:
    """Drops the oldest stored segments until what waits in memory would fit, stored as densely as they are.

    Says whether any had to go; they still stand in the database.
    """
    incoming = tail.bytes + (tail.filling.size if tail.filling is not None else 0)
    while incoming and database.unswept and database.bytes + incoming > max_bytes:
        await database.sweep()
    excess = database.bytes + incoming - max_bytes
    first = after = tail.state.floor
    while incoming and excess > 0:
        rows = await database.sizes(after, _LOOK)
        if not rows:
            break
        if after == first:
            stored, readings = sum(size + _ROW_BYTES for _, _, size in rows), sum(count for _, count, _ in rows)
            excess -= max(0, incoming - 2 * tail.readings * stored // readings)
            if excess <= 0:
                break
        going: list[tuple[int, int]] = []
        for id, count, size in rows:
            going.append((id, count))
            excess -= size + _ROW_BYTES
            if excess <= 0:
                break
        lost = tail.drop((after + 1, going[-1][0] + 1), "full", going)
        after = going[-1][0]
        events.SPOOL_FULL.log(
            "spool: full (%d bytes): dropped the %d oldest readings; %s",
            *(max_bytes, lost, "make room on the disk" if database.cramped else "raise spool.max_bytes"),
            dropped=lost,
        )
    return after > first
