"""One sink's way through the segments: in order of id, from the database up to what is committed, then from memory."""

import asyncio
from collections import deque

from collector.log import events
from collector.segment import Segment
from collector.spool.database import Database
from collector.spool.dating import Dating
from collector.spool.progress import Progress
from collector.spool.tail import Tail

READ_AHEAD = 8
"""Segments fetched from the database at a time: what a sink that is behind holds in memory."""


class Outlet:
    """Hands each segment out once in a run; whoever takes one keeps it until it is settled."""

    def __init__(self, progress: Progress, tail: Tail, database: Database, dating: Dating) -> None:
        self.progress = progress
        self.ready = True
        """Whether the sink can take segments now, as far as anybody knows: an attempt that fails says it cannot."""
        self.wake = asyncio.Event()
        """Set when there may be something new."""
        self._tail = tail
        self._database = database
        self._dating = dating
        self._cursor = progress.low
        """Last id fetched from the database or taken from memory."""
        self._fetched: deque[Segment] = deque()

    async def next(self) -> Segment:
        """The next segment the sink wants; waits for one."""
        while True:
            if self._dating.wait:
                await self._wait()
                continue
            if not self._fetched and self._cursor < self._tail.committed:
                await self._fetch()
                continue
            segment = self._fetched.popleft() if self._fetched else self.newest()
            if segment is None:
                await self._wait()
            elif self.progress.missing(segment.id, segment.count):
                if (shown := self._dating.show(segment)) is not None:
                    return shown
                self._fetched.appendleft(segment)
                await self._wait()

    async def _wait(self) -> None:
        self.wake.clear()
        await self.wake.wait()

    def newest(self) -> Segment | None:
        """The next segment in memory, None if it must be committed first or is not sealed yet."""
        tail = self._tail
        following, end = self._cursor + 1, tail.filling.id if tail.filling is not None else tail.state.next_id
        while following < end and following not in tail.segments:
            # What the last run left in memory has gaps.
            following += 1
        self._cursor = following - 1
        if following <= tail.hidden:
            return None
        segment = tail.segments.get(following)
        if segment is not None:
            self._cursor = following
        return segment

    async def _fetch(self) -> None:
        """Reads ahead. What does not match its checksum is dropped, counted, and told."""
        through = self._tail.committed
        rows = await self._database.read(self._cursor, READ_AHEAD)
        for row in rows:
            if row.segment is not None:
                self._fetched.append(row.segment)
            else:
                lost = self._tail.drop((row.id, row.id + 1), "damaged", [(row.id, row.count)])
                events.SPOOL_DAMAGED.log(
                    "spool: segment %d is damaged on disk: %d readings dropped; check the card",
                    *(row.id, lost),
                    dropped=lost,
                )
        # While the read waited its turn a commit may have added rows above `through`.
        last = rows[-1].id if rows else 0
        self._cursor = last if len(rows) == READ_AHEAD else max(self._cursor, through, last)
