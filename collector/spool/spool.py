"""The spool: readings go in, segments come out to each sink, and what is safe is told.

Between appends and deliveries everything lives in memory and in the tail journal; SQLite sees a
segment only when it has waited too long (`_due` says when). A sink takes segments in order of id:
from the database up to what is committed, from memory above.
"""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable, Sequence
from itertools import pairwise
from pathlib import Path

from collector.clock import Clock
from collector.config.model import SpoolSection
from collector.contracts import Outcome
from collector.histogram import Histogram
from collector.log import events
from collector.reading import Reading
from collector.segment import Part, Segment
from collector.spool import departed, letters
from collector.spool.ages import Ages
from collector.spool.database import Database
from collector.spool.filling import Origin
from collector.spool.journal import Journal
from collector.spool.lock import lock
from collector.spool.outlet import Outlet
from collector.spool.place import journal_directory, on_tmpfs
from collector.spool.progress import spans_of
from collector.spool.room import make_room
from collector.spool.state import DeadLetter, encode_segment
from collector.spool.tail import Tail
from collector.spool.takeover import take_over

TICK = 0.1
"""Seconds between looks at whether a commit is due."""

PRESSURE_AFTER = 0.5
"""Seconds without becoming safe after which a nearly used source window calls for a commit."""

TAIL_BYTES = 2 * 1024 * 1024
"""Sealed bytes in memory that call for a commit."""

CROWDED_BYTES = 2 * TAIL_BYTES
"""Sealed bytes in memory at which sources must wait: commits do not keep up."""

CHECKPOINT_EVERY = 3600.0
"""Seconds after which any change of state is committed: a power cut restores none that is older."""


class Spool:
    """Bounded store between sources and sinks: `open` makes it, `run` commits when due, `close` commits all."""

    data_dir: Path

    def __init__(
        self,
        section: SpoolSection,
        clock: Clock,
        database: Database,
        tail: Tail,
        journal: Journal,
        lock_fd: int,
    ) -> None:
        self.tail = tail
        self.database = database
        self.journal = journal
        self.commit_seconds = Histogram()
        self._section = section
        self._clock = clock
        self._lock_fd = lock_fd
        self._outlets = {
            name: Outlet(progress, tail, database)
            for name, progress in tail.state.sinks.items()
            if progress.left is None
        }
        self._seal_timer: asyncio.TimerHandle | None = None
        self._crowded = False
        self._on_crowded: Callable[[bool], None] = lambda crowded: None
        self._nudge = asyncio.Event()
        self._committing = asyncio.Lock()
        self._pressed: set[str] = set()
        now = clock.monotonic()
        self.beat = now
        """When `run` last went round: far in the past if the disk does not answer."""
        self._elapsed_at = now
        self._failed = False
        self._committed_at = now
        self._committed_lsn = tail.state.lsn
        self._committed_floor = tail.state.floor
        self._rows_through = tail.committed
        self._through = (tail.committed, tail.committed)
        """Last ids of the last commit but one, and of the last."""
        self._ages = Ages(tail.committed, now)

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
        on_crowded: Callable[[bool], None],
    ) -> "Spool":
        """Locks the data directory and takes over what the last run left, on disk and in its tail journal.

        `windows` says how many messages of each acknowledging source can come again; `on_crowded` asks the
        sources to wait while memory is full, and to go on. Raises SpoolError.
        """
        lock_fd = lock(data_dir)
        try:
            directory, volatile = journal_directory(data_dir)
            if not volatile:
                events.JOURNAL_DEGRADED.log("tail journal: no tmpfs; it lies in %s and costs flash writes", directory)
            database = await Database.open(data_dir / "spool.sqlite3")
        except BaseException:
            os.close(lock_fd)
            raise
        journal = Journal(directory)
        try:
            state = await take_over(database, journal, sinks)
            tail = Tail(state, journal, clock, windows, on_safe, strict=section.durability == "strict")
            tail.rotate()
            journal.retire()
        except BaseException:
            await database.close()
            os.close(lock_fd)
            raise
        spool = cls(section, clock, database, tail, journal, lock_fd)
        spool.data_dir = data_dir
        spool._on_crowded = on_crowded
        return spool

    def append(self, source: str, readings: Sequence[Reading], origins: Sequence[Origin], size: int) -> int:
        """Takes readings in, see Tail.append; they are safe once `on_safe` has told the returned id or a later one."""
        sealed = len(self.tail.segments)
        id = self.tail.append(source, readings, origins, size)
        if len(self.tail.segments) != sealed:
            self._sealed()
            self._look_around()
        if self._seal_timer is None:
            self._schedule_seal()
        return id

    def flush(self) -> None:
        """Seals the open segment now."""
        self._lingered()

    def waiting(self) -> bool:
        """Whether a configured sink still wants something that is in memory."""
        return any(outlet.progress.low < self.tail.last for outlet in self._outlets.values())

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
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TICK):
                    await self._nudge.wait()
            self._nudge.clear()
            await self.tend()

    async def tend(self) -> None:
        """Commits if that is due now."""
        self.beat = self._clock.monotonic()
        self.tail.look_after_journal()
        if self._due(self.beat):
            await self.commit()
        elif self.database.unswept:
            await self.database.sweep()
        await departed.look_after(self, self.beat - self._elapsed_at)

    def elapse(self) -> None:
        """Counts the running time so far towards the end of departed sinks that still hold something."""
        now = self._clock.monotonic()
        if departed.holding(self.tail.state):
            self.tail.elapse(now - self._elapsed_at)
        self._elapsed_at = now

    @contextlib.asynccontextmanager
    async def between_commits(self) -> AsyncIterator[None]:
        """Meanwhile nothing is committed: what the state says of dead letters and what is stored agree."""
        async with self._committing:
            yield

    async def commit(self) -> None:
        """Everything appended so far is on disk, or wanted by nobody, on return."""
        async with self._committing:
            await make_room(self.tail, self.database, self._section.max_bytes)
            await letters.bound(self.tail, self.database, self._section.max_bytes)
            self.elapse()
            # From here to the commit nothing may come between: the snapshot is of one moment.
            if self.tail.filling is not None:
                self.tail.seal()
                self._sealed()
            state = self.tail.state
            segments = [
                segment
                for segment in self.tail.segments.values()
                if any(sink.missing(segment.id, segment.count) for sink in state.sinks.values())
            ]
            through, lsn, floor = state.next_id - 1, state.lsn, state.floor
            dead, buried = list(state.dead), list(state.buried)
            oldest, started = self.tail.oldest(), self._clock.monotonic()
            # What was acknowledged before the last commit has been taken note of, unless a promise says "never".
            since = 0 if self._section.durability == "strict" else self._through[0] + 1
            self._failed = True
            await self.database.commit(segments, dead, buried, floor, state.checkpoint(since, letters=False))
            del state.dead[: len(dead)], state.buried[: len(buried)]
            self._failed = False
            self._committed_at = self._clock.monotonic()
            self.commit_seconds.observe(self._committed_at - started)
            self._committed_lsn, self._committed_floor = lsn, floor
            self._through = (self._through[1], through)
            if segments:
                self._rows_through = through
                self._ages.mark(through, oldest if oldest is not None else started)
            self.tail.commit_done(through)
            self._look_around()
            self._wake()

    async def close(self) -> None:
        """Commits what changed, then lets go of database, journal and lock."""
        if self._seal_timer is not None:
            self._seal_timer.cancel()
        try:
            # After a failed fsync the kernel takes the pages for clean: trying again would prove nothing.
            if not self._failed and (self.tail.filling is not None or self.tail.state.lsn != self._committed_lsn):
                await self.commit()
        finally:
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

    def oldest_age(self) -> float:
        """Seconds the oldest wanted reading has waited, as far as this run can tell; 0 if none waits."""
        oldest = self._ages.oldest(self.tail.state.floor)
        if oldest is None:
            oldest = self.tail.oldest()
        return 0.0 if oldest is None else self._clock.monotonic() - oldest

    def _due(self, now: float) -> bool:
        tail, section = self.tail, self._section
        if tail.hidden > tail.committed or tail.journal_overdue or tail.bytes > TAIL_BYTES:
            return True
        oldest, all_ready = tail.oldest(), all(outlet.ready for outlet in self._outlets.values())
        limit: float = section.hold if all_ready else section.commit_after
        if self._pressed:
            limit = min(limit, PRESSURE_AFTER) if all_ready else 0.0
        if oldest is not None and now - oldest >= limit:
            return True
        since = now - self._committed_at
        if tail.state.dead and since >= section.commit_after:
            return True
        if self._committed_floor < min(tail.state.floor, self._rows_through) and since >= section.hold:
            return True
        return since >= CHECKPOINT_EVERY and tail.state.lsn != self._committed_lsn

    def _schedule_seal(self) -> None:
        if self.tail.filling is not None and any(outlet.ready for outlet in self._outlets.values()):
            self._seal_timer = asyncio.get_running_loop().call_later(self._section.linger, self._lingered)

    def _lingered(self) -> None:
        self._seal_timer = None
        if self.tail.filling is not None:
            self.tail.seal()
            self._sealed()

    def _look_around(self) -> None:
        """Holds the sources back while memory is full, and lets them go on."""
        crowded = self.tail.bytes > CROWDED_BYTES
        if crowded != self._crowded:
            self._crowded = crowded
            self._on_crowded(crowded)

    def _sealed(self) -> None:
        if self._seal_timer is not None:
            self._seal_timer.cancel()
            self._seal_timer = None
        if self.tail.hidden > self.tail.committed:
            self._nudge.set()
        self._wake()

    def _wake(self) -> None:
        for outlet in self._outlets.values():
            outlet.wake.set()
