"""When the database is written, what goes into it, and what becomes of it while the disk takes nothing."""

import asyncio
from collections.abc import Callable, Iterator

from collector.clock import Clock
from collector.config.model import SpoolSection
from collector.errors import DiskUnavailable, SpoolError
from collector.histogram import Histogram
from collector.log import events
from collector.segment import Segment
from collector.spool import letters
from collector.spool.ages import Ages
from collector.spool.database import Database
from collector.spool.room import make_room
from collector.spool.tail import Tail

TAIL_BYTES = 2 * 1024 * 1024
"""Sealed bytes in memory that call for a commit."""

CHECKPOINT_EVERY = 3600.0
"""Seconds after which any change of state is committed: a power cut restores none that is older."""

ROOM_AFTER = 0.5
"""Seconds after a commit until the next, if sources wait for the room that delivered readings have in the database."""

DISK_AGAIN = 5.0
"""Seconds until a disk that takes nothing is asked again, and between looks for room on a full one."""

CRAMPED_BYTES = 256 * 1024
"""Sealed bytes in one transaction on a full disk, where the WAL cannot grow."""


class Commits:
    """Writes what is in memory to the database: every commit is an fsync that covers all that is pending."""

    def __init__(
        self, section: SpoolSection, clock: Clock, tail: Tail, database: Database, seal: Callable[[], None]
    ) -> None:
        """`seal` closes the open segment, so that a commit covers it."""
        self.seconds = Histogram()
        self.unavailable = ""
        """Why the disk takes nothing at the moment; empty mostly."""
        self._section = section
        self._clock = clock
        self._tail = tail
        self._database = database
        self._seal = seal
        self.turn = asyncio.Lock()
        """Held while a commit is made."""
        self._failed = False
        self._ask_disk_at = self._at = clock.monotonic()
        self.lsn = tail.state.lsn
        """The state up to this record is in the database."""
        self._settled_lsn = tail.state.lsn
        self._floor = tail.state.floor
        self._rows_through = tail.committed
        self._through = (tail.committed, tail.committed)
        """Last ids of the last commit but one, and of the last."""
        self._ages = Ages(tail.committed, self._at)

    async def tend(self, now: float, patience: float, *, urgent: bool = False, crowded: bool = False) -> bool:
        """Commits if that is due, and says whether it did; else tidies up a little.

        `patience`: seconds a reading may wait in memory; `urgent`: somebody waits for a commit; `crowded`: or for
        the room that a commit wins. Raises SpoolError.
        """
        if now < self._ask_disk_at:
            return False
        database = self._database
        if database.gone:
            raise SpoolError(f"{database.path}: removed or replaced while in use; see who did, then start again")
        if database.cramped:
            self._ask_disk_at = now + DISK_AGAIN
            if database.recover_room() and not self.unavailable:
                events.DISK_AVAILABLE.log("spool: the disk has room again")
        if urgent or self._due(now, patience, crowded):
            await self.commit()
            return True
        if database.unswept:
            await database.sweep()
        return False

    def put_off(self, error: DiskUnavailable) -> None:
        """The disk took nothing: all stays in memory until it is asked again."""
        self._ask_disk_at = self._clock.monotonic() + DISK_AGAIN
        if str(error) != self.unavailable:
            self.unavailable = str(error)
            events.DISK_UNAVAILABLE.log("spool: %s; readings stay in memory until it takes them", error)

    async def commit(self) -> None:
        """Everything appended so far is on disk, or wanted by nobody, on return. Raises SpoolError."""
        async with self.turn:
            tail = self._tail
            if self._database.cramped:
                # Where not even this gets through, giving up what is stored would gain nothing.
                await self._store([], tail.committed)
            if self._section.when_full == "drop-oldest" and await make_room(tail, self._database, self.limit):
                # The oldest must be gone before there is room for the newest.
                await self._store([], tail.committed)
                while self._database.unswept:
                    await self._database.sweep()
            await letters.bound(tail, self._database, self._section.max_bytes)
            self._seal()
            sinks = tail.state.sinks.values()
            wanted = [s for s in tail.segments.values() if any(sink.missing(s.id, s.count) for sink in sinks)]
            for batch, through in self._transactions(wanted, tail.state.next_id - 1):
                await self._store(batch, through)

    @property
    def outstanding(self) -> bool:
        """A commit would change what the next start finds, and has not been given up."""
        if self._failed or self._database.failed:
            # After a failed fsync the kernel takes the pages for clean: trying again would prove nothing.
            return False
        return self._tail.filling is not None or self._changed or bool(self.unavailable)

    @property
    def _changed(self) -> bool:
        return self._tail.state.lsn > self._settled_lsn

    @property
    def limit(self) -> int:
        """Bytes the database may use: on a full disk no more than its file has already."""
        limit = int(self._section.max_bytes)
        return min(limit, self._database.file_bytes) if self._database.cramped else limit

    def oldest_age(self) -> float:
        """Seconds the oldest wanted reading has waited, as far as this run can tell; 0 if none waits."""
        oldest = self._ages.oldest(self._tail.state.floor)
        if oldest is None:
            oldest = self._tail.oldest()
        return 0.0 if oldest is None else self._clock.monotonic() - oldest

    def _due(self, now: float, patience: float, crowded: bool) -> bool:
        tail, section = self._tail, self._section
        if self.unavailable or tail.hidden > tail.committed or tail.journal_overdue or tail.bytes > TAIL_BYTES:
            return True
        oldest = tail.oldest()
        if oldest is not None and now - oldest >= patience:
            return True
        since = now - self._at
        if tail.state.dead and since >= section.commit_after:
            return True
        if self._floor < min(tail.state.floor, self._rows_through) and since >= (
            ROOM_AFTER if crowded else section.hold
        ):
            return True
        return since >= CHECKPOINT_EVERY and self._changed

    def _transactions(self, wanted: list[Segment], through: int) -> Iterator[tuple[list[Segment], int]]:
        """All in one, up to `through`; on a full disk in pieces that fit the WAL there is."""
        batch: list[Segment] = []
        size = 0
        for segment in wanted:
            if batch and self._database.cramped and size + len(segment.body) > CRAMPED_BYTES:
                yield batch, batch[-1].id
                batch, size = [], 0
            batch.append(segment)
            size += len(segment.body)
        yield batch, through

    async def _store(self, segments: list[Segment], through: int) -> None:
        """One transaction, after which the database reaches up to `through`. The snapshot is of one moment."""
        tail, database = self._tail, self._database
        state, cramped = tail.state, database.cramped
        lsn, floor, dead, buried = state.lsn, state.floor, list(state.dead), list(state.buried)
        oldest, started = tail.oldest(), self._clock.monotonic()
        # What was acknowledged before the last commit has been taken note of, unless a promise says "never";
        # a journal that refuses no longer tells SIGKILL from a power cut.
        since = 0 if self._section.durability == "strict" or not tail.journaled else self._through[0] + 1
        try:
            checkpoint = state.checkpoint(since, letters=False, committed=through)
            await database.commit(segments, dead, buried, floor, checkpoint)
        except DiskUnavailable:
            raise
        except BaseException:
            self._failed = True
            raise
        del state.dead[: len(dead)], state.buried[: len(buried)]
        self._tell_available(cramped)
        self._at = self._clock.monotonic()
        self.seconds.observe(self._at - started)
        self.lsn, self._floor = lsn, floor
        # The record of this commit itself need not be stored by the next one.
        self._settled_lsn = lsn + 1
        self._through = (self._through[1], through)
        if segments:
            self._rows_through = through
            self._ages.mark(through, oldest if oldest is not None else started)
        tail.commit_done(through)

    def _tell_available(self, was_cramped: bool) -> None:
        path = self._database.path
        if self._database.cramped and not was_cramped:
            events.DISK_UNAVAILABLE.log("spool: %s: the disk is full; going on in the room kept: make room on it", path)
        elif self.unavailable:
            events.DISK_AVAILABLE.log("spool: the disk takes readings again")
        self.unavailable = ""
