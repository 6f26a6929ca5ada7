"""The memory side of the spool: readings become segments, sinks settle them, and what is safe is told.

All of it is synchronous: a burst is appended, journaled and handed on within one turn of the loop.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec

from collector.clock import Clock
from collector.log import events
from collector.reading import Reading
from collector.segment import Segment
from collector.spool.filling import Filling, Origin
from collector.spool.framing import ROTATE_BYTES
from collector.spool.journal import Journal
from collector.spool.progress import Span, intersection, size
from collector.spool.records import (
    Abandon,
    Bury,
    Chunk,
    Committed,
    Confirm,
    DeadLetter,
    Drop,
    Elapse,
    Forget,
    Held,
    LetterKey,
    Record,
    Refuse,
    Requeue,
    Settle,
)
from collector.spool.takeover import TakenOver

REMEMBERED = 4096
"""Safe messages of a source that are remembered, at least its window."""


class Tail:
    """Segments that are not in the database yet, and the state.

    `committed` is the last id that the database holds or never needs; `safe` the last id up to which
    everything is delivered to every sink or committed, dead letters too.
    """

    def __init__(
        self,
        taken: TakenOver,
        journal: Journal,
        clock: Clock,
        windows: dict[str, int],
        on_safe: Callable[[int], None],
        *,
        strict: bool = False,
    ) -> None:
        self.state = state = taken.state
        self.segments: dict[int, Segment] = {}
        self.opened: dict[int, float] = {}
        """When each segment got its first reading, monotonic seconds."""
        self.filling: Filling | None = None
        self.committed = taken.segments[0].id - 1 if taken.segments else state.next_id - 1
        self.safe = self.committed
        self.bytes = 0
        self.journaled = True
        """False while the journal's file system refuses."""
        self._refusal = ""
        """Its last words."""
        self.hidden = 0
        """Segments up to this id must be committed before a sink may see them."""
        self._refused_from: int | None = None
        """The first segment with dead letters that no commit holds yet."""
        self._strict = strict
        self._journal = journal
        self._previous_file_through = self.committed
        self._compact_at = 2 * ROTATE_BYTES
        self._grown = 0
        """Messages of sources since the last look at which of them to forget."""
        self._clock = clock
        self._windows = windows
        self._on_safe = on_safe
        self._seq = 1
        for segment in taken.segments:
            self._hold(segment, clock.monotonic())

    def append(self, source: str, readings: Sequence[Reading], origins: Sequence[Origin], size: int) -> int:
        """Gives the readings their seqs; returns the id of the segment that holds the last of them.

        `origins` says which source message each stretch of readings came in; the readings of one
        message never part. What cannot be re-sent is journaled on return, the rest with the seal.
        """
        room = self._room()
        if room >= len(readings) or not origins:
            return self._add(source, readings, origins, size)
        start, taken = 0, 0
        pending: list[Origin] = []

        def flush() -> int:
            return self._add(source, readings[start : start + taken], pending, size * taken // len(readings))

        for origin in origins:
            if taken + origin.readings > room:
                if taken:
                    flush()
                    start, taken, pending = start + taken, 0, []
                room = self._room(at_least=origin.readings)
            taken += origin.readings
            pending.append(origin)
        return flush()

    def sent(self, source: str, token: int, fingerprint: int) -> int | None:
        """The segment that holds the readings of a message the source sends again; None if it is new to us."""
        if self.filling is not None and self.filling.holds(source, token, fingerprint):
            return self.filling.id
        return self.state.holder(source, token, fingerprint)

    def forget(self, source: str) -> None:
        """The far end has lost its session, so nothing it sends is a repetition."""
        if self.filling is not None:
            self.filling.forget(source)
        if self.state.sent.get(source):
            self.apply(Forget(source))

    def unconfirmed(self, source: str) -> int:
        """The last segment of which the source has been acknowledged all, if its far end may not know it; else 0."""
        sent = self.state.sent.get(source)
        return self.safe if sent and sent[0].id <= self.safe else 0

    def confirmed(self, source: str, through: int) -> None:
        """The far end knows of those acknowledgements: under the same token it sends something new from here on."""
        if self.state.sent.get(source):
            self.apply(Confirm(source, through))

    def seal(self) -> Segment | None:
        """Closes the open segment; from here on its bytes never change."""
        filling, self.filling = self.filling, None
        if filling is None:
            return None
        self._journal_fresh(filling)
        segment = filling.seal()
        self._hold(segment, filling.opened)
        if not any(progress.left is None for progress in self.state.sinks.values()):
            self._release()
        return segment

    def settle(self, sink: str, segment: Segment, delivered: list[Span], dead: list[tuple[int, DeadLetter]]) -> None:
        """The sink is done with these positions; what it was done with before changes nothing."""
        progress = self.state.sinks[sink]
        missing = progress.missing(segment.id, segment.count)
        late = size(delivered) - size(intersection(delivered, missing))
        late = min(late, progress.dropped.get("full", 0))
        self.apply(Settle(sink, segment.id, segment.count, delivered, dead, late))
        if dead and segment.id > self.committed:
            self._refused_from = min(segment.id, self._refused_from or segment.id)
        self._release()

    def refuse(self, source: str, count: int, reason: str) -> int:
        """Readings for which there is no room use up their seqs and are counted; returns an id that is safe already."""
        if self.filling is not None:
            self.seal()
        self._seq += count
        self.apply(Refuse(source, count, reason))
        return self.safe

    def drop(self, ids: Span, reason: str, sizes: Iterable[tuple[int, int]]) -> int:
        """Gives up whole segments, given as (id, readings), all within `ids`; returns how many readings sinks lose."""
        sizes = list(sizes)
        counts = {
            name: count
            for name, progress in self.state.sinks.items()
            if (count := sum(progress.wanted(id, readings) for id, readings in sizes))
        }
        self.apply(Drop(ids, reason, counts))
        self._release()
        return sum(counts.values())

    def requeue(self, sink: str, segments: Sequence[Segment], size: int) -> None:
        """Dead letters of a configured sink, `size` bytes of them, become new segments; their identities stay.

        The open segment must be sealed: ids are given in order.
        """
        assert self.filling is None
        placed = [msgspec.structs.replace(s, id=id) for id, s in enumerate(segments, self.state.next_id)]
        self.apply(Requeue(sink, placed, size))
        for segment in placed:
            self._hold(segment, self._clock.monotonic())

    def bury(self, letters: list[LetterKey], size: int, reason: str) -> None:
        """Gives up dead letters, `size` bytes of them."""
        self.apply(Bury(letters, size, reason))

    def abandon(self, sink: str) -> int:
        """Gives up all that waits for a departed sink; returns how many readings it loses."""
        pending = self.state.sinks[sink].pending
        self.apply(Abandon(sink))
        return pending

    def elapse(self, seconds: float) -> None:
        """So much running time counts towards the end of departed sinks."""
        self.apply(Elapse(seconds))

    def commit_done(self, through: int) -> None:
        """Everything up to `through` is on disk, or wanted by nobody."""
        self.committed = max(self.committed, through)
        if not self.state.dead:
            self._refused_from = None
        self.apply(Committed(self.committed))
        for id in [id for id in self.segments if id <= through]:
            self._remove(id)
        if not self.journaled:
            self.rotate()
        self._release()

    @property
    def readings(self) -> int:
        """How many are in memory."""
        waiting = sum(segment.count for segment in self.segments.values())
        return waiting + (self.filling.count if self.filling is not None else 0)

    @property
    def last(self) -> int:
        """The id of the newest segment that holds a reading, open or sealed."""
        return self.filling.id if self.filling is not None else self.state.next_id - 1

    def oldest(self) -> float | None:
        """When the oldest reading that is not safe came, monotonic seconds."""
        for id, opened in self.opened.items():
            if id > self.safe:
                return opened
        return self.filling.opened if self.filling is not None else None

    def _room(self, at_least: int = 1) -> int:
        """How many readings the open segment takes, a new one if it has fewer places than `at_least`.

        An empty segment takes a message of any length.
        """
        regime = self._clock.regime()
        filling = self.filling
        if filling is not None and (filling.full or filling.room < at_least or filling.regime != regime):
            self.seal()
        if self.filling is None:
            self.filling = Filling(self.state.next_id, self.state.epoch, self._seq, regime, self._clock.monotonic())
        return max(self.filling.room, at_least)

    def _add(self, source: str, readings: Sequence[Reading], origins: Sequence[Origin], size: int) -> int:
        filling = self.filling
        assert filling is not None
        filling.add(source, readings, origins, size)
        self._seq += len(readings)
        if not origins or not all(origin.token for origin in origins):
            self._journal_fresh(filling)
        if filling.full:
            self.seal()
        return filling.id

    def _journal_fresh(self, filling: Filling) -> None:
        chunk = filling.take()
        if chunk is not None:
            self.apply(chunk)

    def apply(self, record: Record) -> None:
        """Journal first, then the state."""
        if self.journaled:
            try:
                self._journal.append(record)
            except OSError as error:
                self._degrade(error)
        self.state.apply(record)
        if isinstance(record, Chunk):
            self._outgrow(sum(map(len, record.origins.values())))
        if self.journaled and self._journal.overdue and self._previous_file_through <= self.safe:
            self.rotate()

    def _outgrow(self, messages: int) -> None:
        """Forgets now and then messages long safe, and so long acknowledged that the source has taken note.

        Not by its window alone: Mosquitto 2.0.11 hands over a whole window for every acknowledgement.
        """
        self._grown += messages
        if self._grown < REMEMBERED // 4:
            return
        self._grown = 0
        for source, sent in self.state.sent.items():
            room = max(self._windows.get(source, 0), REMEMBERED)
            for at in reversed(range(len(sent))):
                if room <= 0 and sent[at].id <= self.safe:
                    del sent[: at + 1]
                    break
                room -= len(sent[at].fingerprints)

    def rotate(self, *, alone: bool = False) -> None:
        """Goes on in a fresh journal file, or finds that the file system still refuses.

        `alone`: it shall hold all that is in memory, so that the file before it can go.
        """
        held = list(self._held()) if alone or not self.journaled else []
        try:
            self._journal.begin(self.state.checkpoint(), held)
            if alone:
                self._journal.retire()
        except OSError as error:
            self._degrade(error)
            return
        for record in held:
            self.state.apply(record)
        if not self.journaled:
            events.JOURNAL_RESTORED.log("tail journal: %s takes records again", self._journal.directory)
        self.journaled = True
        self._previous_file_through = self.state.next_id - 1

    def look_after_journal(self) -> None:
        """Starts it afresh when somebody has removed its file, or when the disk lets no commit make it shorter."""
        if self.journaled and self._journal.gone:
            self._degrade(FileNotFoundError(2, "somebody removed or replaced it"))
            self.rotate()
        elif self.journaled and self._journal.size > self._compact_at:
            self.rotate(alone=True)
            self._compact_at = max(2 * ROTATE_BYTES, 2 * self._journal.size)

    def _held(self) -> Iterator[Held]:
        """What a fresh journal file must hold besides its checkpoint, when the one before cannot be relied on."""
        for s in self.segments.values():
            yield Held(s.id, s.first_seq, s.count, s.regime, s.body, s.epoch)
        if self.filling is not None and (taken := self.filling.taken()) is not None:
            yield taken

    def _degrade(self, error: OSError) -> None:
        """From here on sinks see only what is committed, until a commit finds the journal in order again."""
        if self.filling is not None:
            self.hidden = max(self.hidden, self.filling.id)
        self.hidden = max([self.hidden, *self.segments])
        reason = f"{error.filename2 or error.filename or self._journal.directory}: {error.strerror}"
        if self.journaled or reason != self._refusal:
            events.JOURNAL_DEGRADED.log(
                "tail journal: %s; committing every segment to disk until it takes records again", reason
            )
        self.journaled, self._refusal = False, reason

    @property
    def journal_overdue(self) -> bool:
        """The journal has outgrown its file, and the other one still holds what only a commit makes safe."""
        return self._journal.overdue and self._previous_file_through > self.safe

    def _release(self) -> None:
        """Lets go of what every sink is done with, and tells what has become safe."""
        active = [progress for progress in self.state.sinks.values() if progress.left is None]
        settled = min((progress.low for progress in active), default=self.state.next_id - 1)
        if self._refused_from is not None:
            settled = min(settled, self._refused_from - 1)
        for id in [id for id in self.segments if id <= settled]:
            self._remove(id)
        safe = max(self.committed, settled)
        if safe > self.safe:
            self.safe = safe
            self._on_safe(safe)

    def _hold(self, segment: Segment, opened: float) -> None:
        """From here on sinks may see the segment, unless it must be committed first."""
        if self._strict or not self.journaled:
            self.hidden = segment.id
        self.segments[segment.id] = segment
        self.opened[segment.id] = opened
        self.bytes += len(segment.body)

    def _remove(self, id: int) -> None:
        self.bytes -= len(self.segments.pop(id).body)
        del self.opened[id]
