"""The figures of a spool, running or stopped."""

import msgspec

from collector.reading import rfc3339
from collector.spool import departed, letters
from collector.spool.spool import Spool

_LOOK = 1000


class Books(msgspec.Struct):
    """Of one sink since it joined: received = delivered + pending + dropped + dead."""

    received: int
    delivered: int
    pending: int
    dropped: dict[str, int]
    """Readings by reason."""
    dead: int
    remainder: int
    """Anything but 0 is a bug."""
    configured: bool
    seconds_left: float | None = None
    """Running time after which what is kept for a departed sink is dropped."""


class Report(msgspec.Struct):
    collector: str
    running: bool
    """Whether a daemon works on this spool."""
    data_dir: str
    pending: int
    """Readings that at least one sink waits for; where sinks wait for different ones, of the sink with most."""
    oldest: str | None
    """Time stamp of the oldest stored reading, RFC 3339."""
    oldest_age_seconds: float | None
    """How long the oldest waits by a clock that never jumps; None while no daemon runs."""
    segments: int
    """In the database."""
    bytes: int
    limit_bytes: int
    memory_segments: int
    """In memory and in the tail journal only."""
    dead_bytes: int
    dead_limit_bytes: int
    sinks: dict[str, Books]


async def report(spool: Spool, collector: str, *, running: bool) -> Report:
    state = spool.tail.state
    oldest = None
    for row in await spool.database.read(state.floor, 1):
        if row.segment is not None:
            oldest = rfc3339(row.segment.readings()[0].time_ns)
    segments, last = 0, 0
    while rows := await spool.database.sizes(last, _LOOK):
        segments, last = segments + len(rows), rows[-1][0]
    return Report(
        collector=collector,
        running=running,
        data_dir=str(spool.data_dir),
        pending=max((sink.pending for sink in state.sinks.values()), default=0),
        oldest=oldest,
        oldest_age_seconds=spool.commits.oldest_age() if running else None,
        segments=segments,
        bytes=spool.database.bytes,
        limit_bytes=spool.max_bytes,
        memory_segments=len(spool.tail.segments) + (spool.tail.filling is not None),
        dead_bytes=state.dead_bytes,
        dead_limit_bytes=spool.max_bytes // letters.SHARE,
        sinks={
            name: Books(
                sink.received,
                sink.delivered,
                sink.pending,
                dict(sink.dropped),
                sink.dead,
                sink.received - sink.delivered - sink.pending - sum(sink.dropped.values()) - sink.dead,
                sink.left is None,
                max(0.0, departed.KEPT - sink.away) if name in departed.holding(state) else None,
            )
            for name, sink in state.sinks.items()
        },
    )
