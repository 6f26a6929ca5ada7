"""The spool: readings go in, segments come out to each sink, and what is safe is told.

Between appends and deliveries everything lives in memory and in the tail journal; SQLite sees a
segment only when it has waited too long (`commits` says when). A sink takes segments in order of id:
from the database up to what is committed, from memory above.
"""

import asyncio
import os
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

from collector.clock import Clock
from collector.config.model import SpoolSection
from collector.contracts import Outcome
from collector.errors import DiskUnavailable
from collector.log import events
from collector.reading import Reading
from collector.segment import Part, Segment
from collector.spool import departed, traces
from collector.spool.commits import Commits
from collector.spool.database import Database
from collector.spool.dating import Dating
from collector.spool.filling import Origin
from collector.spool.journal import Journal
from collector.spool.lock import lock
from collector.spool.outlet import Outlet
from collector.spool.place import earlier_journals, journal_directory, on_tmpfs
from collector.spool.progress import spans_of
from collector.spool.records import DeadLetter, encode_segment
from collector.spool.recovery import recover, recovered
from collector.spool.tail import Tail
from collector.spool.takeover import take_over

TICK = 0.2
"""Seconds between looks at whether a commit is due."""

PRESSURE_AFTER = 0.5
"""Seconds without becoming safe after which a nearly used source window calls for a commit."""

CROWDED_BYTES = 4 * 1024 * 1024
"""Sealed bytes in memory at which sources must wait: commits do not keep up."""

FULL_BYTES = 2 * CROWDED_BYTES
"""Sealed bytes in memory at which sources that cannot wait lose what they read, counted."""


class Spool:
    """Bounded store between sources and sinks: `open` makes it, `run` commits when due, `close` commits all."""

    def __init__(
        self,
        section: SpoolSection,
        clock: Clock,
        database: Database,
        tail: Tail,
        journal: Journal,
        lock_fd: int,
        data_dir: Path,
        on_held_back: Callable[[bool], None],
    ) -> None:
        self.data_dir = data_dir
        self.tail = tail
        self.database = database
        self.journal = journal
        self.dating = Dating(tail, clock, section.clock_wait)
        self.commits = Commits(section, clock, tail, database, self.flush)
        self._section = section
        self._clock = clock
        self._lock_fd = lock_fd
        self._outlets = {
            name: Outlet(progress, tail, database, self.dating)
            for name, progress in tail.state.sinks.items()
            if progress.left is None
        }
        self._seal_timer: asyncio.TimerHandle | None = None
        self._held_back = False
        self._was_full = False
        self._on_held_back = on_held_back
        self._nudge = asyncio.Event()
        self._pressed: set[str] = set()
        now = clock.monotonic()
        self.beat = now
        """When `run` last went round: far in the past if the disk does not answer."""
        self._elapsed_at = now

    @classmethod
    async def open(
        cls,
        section: SpoolSection,
        data_dir: Path,
        clock: Clock,
        *,
        sinks: Sequence[str],
        windows: dict[str, int],
        on_safe: Callable[[int], None],
        on_held_back: Callable[[bool], None],
    ) -> "Spool":
        """Locks the data directory and takes over what the last run left, on disk and in its tail journal.

        `windows` says how many messages of each acknowledging source can come again; `on_held_back` asks
        these sources to wait while there is no room, and to go on. A disk that is full lets it open all the same,
        if there is a database on it. Raises SpoolError.
        """
        lock_fd = lock(data_dir)
        try:
            directory, volatile = journal_directory(data_dir)
            if not volatile:
                events.JOURNAL_DEGRADED.log("tail journal: no tmpfs; it lies in %s and costs flash writes", directory)
            earlier = earlier_journals(data_dir, directory)
            traces.miss(data_dir / "spool.sqlite3", [directory, *earlier], clock.regime().boot_id)
            found = await recover(data_dir)
        except BaseException:
            os.close(lock_fd)
            raise
        database, journal = found.database, Journal(directory, earlier)
        try:
            taken = await take_over(found, journal, sinks)
            tail = Tail(taken, journal, clock, windows, on_safe, strict=section.durability == "strict")
            tail.rotate(alone=True)
            spool = cls(section, clock, database, tail, journal, lock_fd, data_dir, on_held_back)
            if taken.news:
                await spool._commit_first(found.whole)
            recovered(data_dir)
            traces.begin(data_dir, clock.regime().boot_id)
        except BaseException:
            await database.close()
            journal.close()
            os.close(lock_fd)
            raise
        if spool.caution:
            events.DISK_WITHOUT_RESERVE.log("spool: %s", spool.caution)
        return spool

    async def _commit_first(self, whole: bool) -> None:
        """What the last run left in memory is delivered from there as long as the disk takes nothing."""
        try:
            await self.commit()
        except DiskUnavailable as error:
            if not whole:
                # Until all that was salvaged is committed the next start must salvage again.
                raise
            self.commits.put_off(error)

    def append(self, source: str, readings: Sequence[Reading], origins: Sequence[Origin], size: int) -> int:
        """Takes readings in, see Tail.append; they are safe once `on_safe` has told the returned id or a later one.

        What cannot be sent again and finds no room is dropped and counted.
        """
        sealed = len(self.tail.segments)
        reason = self._no_room()
        if reason and not any(origin.token for origin in origins):
            id = self._refuse(source, len(readings), reason)
        else:
            id = self.tail.append(source, readings, origins, size)
        if len(self.tail.segments) != sealed:
            self._sealed()
        if self._seal_timer is None:
            self._schedule_seal()
        return id

    def flush(self) -> None:
        """Seals the open segment now."""
        if self.tail.filling is not None:
            self.tail.seal()
            self._sealed()

    def waiting(self) -> bool:
        """Whether a configured sink may still take something that is in memory."""
        return not self.dating.wait and any(outlet.progress.low < self.tail.last for outlet in self._outlets.values())

    def press(self, source: str, pressed: bool) -> None:
        """The source's window is nearly used, or no longer: only what is safe lets it hand over more."""
        if pressed and source not in self._pressed:
            self._pressed.add(source)
            self._nudge.set()
        elif not pressed:
            self._pressed.discard(source)

    def ready(self, sink: str, ready: bool) -> None:
        """Whether the sink can take segments now; while none can, readings gather for the next commit."""
        self._outlets[sink].ready = ready
        if self._seal_timer is None:
            self._schedule_seal()
        self._nudge.set()

    async def next(self, sink: str) -> Segment:
        """The next segment the sink wants, in order; waits for one. Hands each out once in a run."""
        return await self._outlets[sink].next()

    def parts(self, sink: str, segment: Segment) -> list[Part]:
        """What the sink still wants of the segment."""
        missing = self._outlets[sink].progress.missing(segment.id, segment.count)
        return [Part(segment, lo, hi) for lo, hi in missing]

    def settle(self, sink: str, part: Part, outcome: Outcome) -> None:
        """Takes in what a sink said of a part; the verdict's rest stays wanted."""
        segment = part.segment
        dead: list[tuple[int, DeadLetter]] = []
        for at, reason in sorted(outcome.dead.items()):
            reading = encode_segment(segment.only(at))
            dead.append((at, DeadLetter(sink, segment.epoch, segment.first_seq + at, reason, reading)))
        if outcome.verdict == "settled":
            edges = [part.lo - 1, *sorted(outcome.dead), part.hi]
            delivered = [(a + 1, b) for a, b in pairwise(edges) if a + 1 < b]
        else:
            delivered = spans_of(list(outcome.settled))
        if delivered or dead:
            self.tail.settle(sink, segment, delivered, dead)
            self._look_around()

    async def run(self) -> None:
        """Commits whenever one is due. Raises SpoolError when the disk side cannot go on."""
        loop = asyncio.get_running_loop()
        while True:
            tick = loop.call_later(TICK, self._nudge.set)
            await self._nudge.wait()
            tick.cancel()
            self._nudge.clear()
            await self.tend()

    async def tend(self) -> None:
        """Commits if that is due now."""
        self.beat = self._clock.monotonic()
        self.tail.look_after_journal()
        self._look_at_clock()
        try:
            if await self.commits.tend(self.beat, self._patience(), urgent=self.dating.blocked, crowded=self._full):
                self._committed()
            await departed.look_after(self, self.beat - self._elapsed_at)
        except DiskUnavailable as error:
            self.commits.put_off(error)
        self._look_around()

    async def commit(self) -> None:
        """Everything appended so far is on disk, or wanted by nobody, on return. Raises SpoolError."""
        self.elapse()
        await self.commits.commit()
        self._committed()

    def between_commits(self) -> asyncio.Lock:
        """Held, nothing is committed: what the state says of dead letters and what is stored agree."""
        return self.commits.turn

    def elapse(self) -> None:
        """Counts the running time so far towards the end of departed sinks that still hold something."""
        now = self._clock.monotonic()
        if departed.holding(self.tail.state):
            self.tail.elapse(now - self._elapsed_at)
        self._elapsed_at = now

    async def close(self) -> None:
        """Commits what changed, then lets go of database, journal and lock."""
        if self._seal_timer is not None:
            self._seal_timer.cancel()
        try:
            if self.commits.outstanding:
                await self.commit()
        finally:
            traces.end(self.data_dir)
            await self.database.close()
            self.journal.close()
            os.close(self._lock_fd)

    @property
    def max_bytes(self) -> int:
        return int(self._section.max_bytes)

    @property
    def journal_place(self) -> str:
        if not self.tail.journaled:
            return f"{self.journal.directory}: refuses records, so every segment is committed"
        return f"{self.journal.directory} ({'in memory' if on_tmpfs(self.journal.directory) else 'ON DISK'})"

    @property
    def trouble(self) -> str:
        """Why readings are not stored as they should be; empty mostly."""
        if self.commits.unavailable:
            return self.commits.unavailable
        if self.database.cramped:
            return f"{self.database.path}: the disk is full: the spool cannot grow; make room on it"
        if self._held_back and self._full:
            return "full, and when_full is reject-new: sources wait; mend the sinks, or raise spool.max_bytes"
        return ""

    @property
    def caution(self) -> str:
        """What will be trouble one day; empty mostly."""
        obstacle = self.database.ballast.obstacle()
        return f"no room is kept for a day when the disk is full: {obstacle}" if obstacle else ""

    def _patience(self) -> float:
        """Seconds a reading may wait in memory."""
        section = self._section
        delivering = not self.dating.wait and all(outlet.ready for outlet in self._outlets.values())
        patience: float = section.hold if delivering or self.dating.wait else section.commit_after
        if self._pressed:
            return min(patience, PRESSURE_AFTER) if delivering else 0.0
        return patience

    def _schedule_seal(self) -> None:
        if self.dating.wait or self.tail.filling is None:
            return
        if any(outlet.ready for outlet in self._outlets.values()):
            self._seal_timer = asyncio.get_running_loop().call_later(self._section.linger, self._lingered)

    def _lingered(self) -> None:
        self._seal_timer = None
        self.flush()

    @property
    def _full(self) -> bool:
        """The database may not take what is in memory; asked of by `reject-new` alone."""
        if self._section.when_full != "reject-new" or self.commits.unavailable:
            # What the disk does not take at all is bounded by memory: sinks that are up make room in it.
            return False
        # Once full, sources go on when there is room for more than a moment.
        limit = self.commits.limit
        slack = limit // 20 if self._held_back else 0
        return self.database.bytes + self.tail.bytes > limit - slack

    def _no_room(self) -> str:
        """Why readings that cannot wait are not taken in; empty mostly."""
        if self._held_back and self._full:
            return "full"
        return "disk" if self.tail.bytes > FULL_BYTES else ""

    def _refuse(self, source: str, count: int, reason: str) -> int:
        id = self.tail.refuse(source, count, reason)
        events.SPOOL_FULL.log(
            "spool: no room (%s): dropped %d readings of %s, which cannot wait",
            *(self.trouble or "memory is full", count, source),
            source=source,
            dropped=count,
        )
        return id

    def _look_at_clock(self) -> None:
        """Lets the sinks begin when delivery has waited for the clock long enough."""
        waited = self.dating.wait
        self.dating.look()
        if waited and not self.dating.wait:
            if self._seal_timer is None:
                self._schedule_seal()
            self._wake()

    def _look_around(self) -> None:
        """Holds back the sources that can wait while there is no room, and lets them go on."""
        full = self._full
        held_back = self.tail.bytes > CROWDED_BYTES or full
        if held_back != self._held_back:
            self._held_back = held_back
            self._on_held_back(held_back)
        if full != self._was_full:
            self._was_full = full
            if full:
                events.SPOOL_FULL.log("spool: %s", self.trouble)
            else:
                events.SPOOL_HAS_ROOM.log("spool: there is room again: sources go on")

    def _committed(self) -> None:
        self.dating.committed(self.commits.lsn)
        self._look_around()
        self._wake()

    def _sealed(self) -> None:
        if self._seal_timer is not None:
            self._seal_timer.cancel()
            self._seal_timer = None
        if self.tail.hidden > self.tail.committed:
            self._nudge.set()
        self._look_around()
        self._wake()

    def _wake(self) -> None:
        for outlet in self._outlets.values():
            outlet.wake.set()
