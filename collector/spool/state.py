"""What the spool knows besides the readings, and the records that change it.

The state is a function of a checkpoint and the records after it, in order of their log sequence
number. The tail journal holds checkpoints and records, every database commit holds a checkpoint:
SIGKILL finds everything again in the journal, a power cut the last commit.
"""

from collections.abc import Iterable, Sequence

import msgspec
from msgspec.structs import replace

from collector.segment import Segment
from collector.spool.boot import Boot
from collector.spool.progress import Progress, Span, union
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
    Shown,
    Synchronised,
)


class Sent(msgspec.Struct, array_like=True, frozen=True):
    """Messages of one source that may come again, and the segment that holds their readings."""

    id: int
    fingerprints: dict[int, int]
    """By token."""


class State(msgspec.Struct):
    """Everything but the readings. `apply` is the only way it changes while the process runs."""

    spool_id: str
    """Random, made with the database: a journal of another spool is not ours."""
    epoch: str = ""
    lsn: int = 0
    next_id: int = 1
    committed: int = 0
    """The database holds every wanted segment up to this id."""
    sinks: dict[str, Progress] = {}
    received: dict[str, int] = {}
    """Readings given a seq, by source, over all runs."""
    sent: dict[str, list[Sent]] = {}
    """By source, what may come again, in order of arrival; under a token that comes twice the last message counts."""
    dead: list[DeadLetter] = []
    """Dead letters not in the database yet."""
    boots: dict[str, Boot] = {}
    """By boot id: this boot, and earlier ones whose first synchronisation still re-dates something."""
    buried: list[LetterKey] = []
    """Dead letters that are none any more, to be deleted from the database before those of `dead` go in."""
    dead_bytes: int = 0
    """What all dead letters take, about."""

    @property
    def floor(self) -> int:
        """Every sink is done with the segments up to and including this id."""
        behind = [sink.low for sink in self.sinks.values() if sink.left is None or sink.low < sink.left - 1]
        return min(behind, default=self.next_id - 1)

    def holder(self, source: str, token: int, fingerprint: int) -> int | None:
        """The segment that holds the readings of a message that comes again; None if none does."""
        for sent in reversed(self.sent.get(source, [])):
            known = sent.fingerprints.get(token)
            if known is not None:
                return sent.id if known == fingerprint else None
        return None

    def configured(self, sink: str) -> bool:
        found = self.sinks.get(sink)
        return found is not None and found.left is None

    def apply(self, record: Record) -> None:
        """Takes one record in."""
        self.lsn += 1
        match record:
            case Chunk():
                self._receive(record)
            case Held():
                pass
            case Settle():
                self._settle(record)
            case Drop():
                for name, count in record.counts.items():
                    sink = self.sinks[name]
                    sink.drop(record.reason, count)
                    sink.pending -= count
                for sink in self.sinks.values():
                    sink.skip(record.ids)
            case Requeue():
                self._requeue(record)
            case Bury():
                for name, _, _ in record.letters:
                    sink = self.sinks[name]
                    sink.dead -= 1
                    sink.drop(record.reason, 1)
                self._unletter(record.letters, record.size)
            case Abandon():
                sink = self.sinks[record.sink]
                if sink.left is not None:
                    sink.drop("departed", sink.pending)
                    sink.skip((0, sink.left))
                    sink.pending, sink.away = 0, 0.0
            case Elapse():
                for sink in self.sinks.values():
                    if sink.left is not None:
                        sink.away += record.seconds
            case Forget():
                self.sent.pop(record.source, None)
            case Confirm():
                self.sent[record.source] = [
                    sent for sent in self.sent.get(record.source, []) if sent.id > record.through
                ]
            case Refuse():
                self._count(record.source, record.count)
                for sink in self.sinks.values():
                    if sink.left is None:
                        sink.drop(record.reason, record.count)
                        sink.pending -= record.count
            case Committed():
                self.committed = record.through
            case Shown():
                boot = self._boot(record.boot_id)
                boot.shown = union([record.ids, *(ids for ids in boot.shown if ids[1] > self.floor)])
            case Synchronised():
                boot = self._boot(record.boot_id)
                boot.offset_ns, boot.through = record.offset_ns, record.through

    def dated(self, segment: Segment) -> Segment:
        """The segment with the correction that the first synchronisation of its boot gives it, if any."""
        boot = self.boots.get(segment.regime.boot_id)
        correction = boot.correction(segment.id, segment.regime) if boot is not None else None
        return segment if correction is None else replace(segment, correction_ns=correction)

    def _boot(self, boot_id: str) -> Boot:
        """The entry of the boot, which is the current one: of others stays what still re-dates something."""
        floor = self.floor
        self.boots = {
            id: boot
            for id, boot in self.boots.items()
            if id == boot_id or (boot.offset_ns is not None and boot.through > floor)
        }
        return self.boots.setdefault(boot_id, Boot())

    def _receive(self, chunk: Chunk) -> None:
        self.next_id = max(self.next_id, chunk.id + 1)
        for source, count in chunk.received.items():
            self._count(source, count)
        for source, fingerprints in chunk.origins.items():
            self.sent.setdefault(source, []).append(Sent(chunk.id, fingerprints))

    def _count(self, source: str, count: int) -> None:
        """Readings that were given a seq: every configured sink wants them."""
        self.received[source] = self.received.get(source, 0) + count
        for sink in self.sinks.values():
            if sink.left is None:
                sink.received += count
                sink.pending += count

    def _settle(self, record: Settle) -> None:
        sink = self.sinks[record.sink]
        fresh = sink.settle(record.id, record.count, record.delivered)
        sink.delivered += fresh
        sink.pending -= fresh
        if record.late:
            sink.delivered += record.late
            sink.drop("full", -record.late)
        for at, letter in record.dead:
            if sink.settle(record.id, record.count, [(at, at + 1)]):
                sink.dead += 1
                sink.refused += 1
                sink.pending -= 1
                self.dead.append(letter)
                self.dead_bytes += letter.size

    def _requeue(self, record: Requeue) -> None:
        letters: list[LetterKey] = []
        for segment in record.segments:
            self.next_id = max(self.next_id, segment.id + 1)
            letters += [(record.sink, segment.epoch, segment.first_seq + at) for at in range(segment.count)]
            for name, other in self.sinks.items():
                if name != record.sink and other.left is None:
                    other.skip((segment.id, segment.id + 1))
        sink = self.sinks[record.sink]
        sink.dead -= len(letters)
        sink.pending += len(letters)
        self._unletter(letters, record.size)

    def _unletter(self, letters: list[LetterKey], size: int) -> None:
        """A replayed journal finds letters in `dead` that the database has long had."""
        gone = set(letters)
        self.dead = [letter for letter in self.dead if letter.key not in gone]
        self.buried += letters
        self.dead_bytes -= size

    def configure(self, names: Sequence[str]) -> None:
        """Sinks join at the next reading, leave keeping what they still want, and come back past the gap."""
        for name in names:
            sink = self.sinks.get(name)
            if sink is None:
                self.sinks[name] = Progress(low=self.next_id - 1)
            elif sink.left is not None:
                gap, sink.left, sink.away = (sink.left, self.next_id), None, 0.0
                sink.skip(gap)
        for name, sink in self.sinks.items():
            if name not in names and sink.left is None:
                sink.left = self.next_id

    def missing_from(self, rows: Iterable[tuple[int, int]]) -> list[Drop]:
        """What must be given up if of all segments before `next_id` only `rows`, (id, readings) in order, exist."""
        lost = {name: sink.pending for name, sink in self.sinks.items()}
        gaps: list[Span] = []
        after = self.floor
        for id, count in rows:
            for name, sink in self.sinks.items():
                lost[name] -= sink.wanted(id, count)
            if id > after + 1:
                gaps.append((after + 1, id))
            after = max(after, id)
        if self.next_id > after + 1:
            gaps.append((after + 1, self.next_id))
        counts = {name: count for name, count in lost.items() if count > 0}
        return [*(Drop(gap, "damaged", {}) for gap in gaps), Drop((0, 0), "damaged", counts)]

    def checkpoint(self, since: int = 0, *, letters: bool = True, committed: int | None = None) -> bytes:
        """The state encoded, of what the sources sent only messages in segments from id `since` on.

        With `letters` it says what is still to be done to the table of dead letters; a commit does it, and says with
        `committed` how far the database reaches by it.
        """
        sent = {source: [sent for sent in messages if sent.id >= since] for source, messages in self.sent.items()}
        told = replace(self, sent=sent, committed=self.committed if committed is None else committed)
        if not letters:
            told.dead, told.buried = [], []
        return _encoder.encode(told)


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(State)


def decode_state(blob: bytes) -> State:
    """Raises msgspec.ValidationError or DecodeError on anything else."""
    return _decoder.decode(blob)
