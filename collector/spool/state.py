"""What the spool knows besides the readings, and the records that change it.

The state is a function of a checkpoint and the records after it, in order of their log sequence
number. The tail journal holds checkpoints and records, every database commit holds a checkpoint:
SIGKILL finds everything again in the journal, a power cut the last commit.
"""

from collections.abc import Iterable, Sequence
from itertools import takewhile

import msgspec
from msgspec.structs import replace

from collector.clock import Regime
from collector.segment import Segment
from collector.spool.boot import Boot
from collector.spool.progress import Progress, Span, union


class Chunk(msgspec.Struct, array_like=True, tag="chunk", frozen=True):
    """Readings that join segment `id`; the chunks of one id, in order, are the segment."""

    id: int
    first_seq: int
    count: int
    regime: Regime
    body: bytes
    received: dict[str, int]
    """Readings by source."""
    origins: dict[str, list[tuple[int, int]]]
    """By source, each message that can come again, in order of arrival: (token, fingerprint)."""
    at: int = 0
    """Readings of the segment that earlier chunks hold."""


class DeadLetter(msgspec.Struct, array_like=True, frozen=True):
    """A reading that a sink refused for good, with the sink's words."""

    sink: str
    epoch: str
    seq: int
    reason: str
    reading: bytes
    """msgpack, as in the segment."""


class Settle(msgspec.Struct, array_like=True, tag="settle", frozen=True):
    """`sink` is done with these positions of segment `id`, which holds `count` readings."""

    sink: str
    id: int
    count: int
    delivered: list[Span]
    dead: list[tuple[int, DeadLetter]]


class Drop(msgspec.Struct, array_like=True, tag="drop", frozen=True):
    """Whole segments are given up; `counts` says what each sink still wanted of them."""

    ids: Span
    reason: str
    counts: dict[str, int]


class Forget(msgspec.Struct, array_like=True, tag="forget", frozen=True):
    """The far end of `source` has lost its session: nothing it sent comes again."""

    source: str


class Confirm(msgspec.Struct, array_like=True, tag="confirm", frozen=True):
    """The far end of `source` has taken in that what came in segments up to `through` is acknowledged."""

    source: str
    through: int


class Held(msgspec.Struct, array_like=True, tag="held", frozen=True):
    """Readings that the checkpoint before it counts already, and that no earlier record holds."""

    id: int
    first_seq: int
    count: int
    regime: Regime
    body: bytes

    @property
    def at(self) -> int:
        return 0


class Refuse(msgspec.Struct, array_like=True, tag="refuse", frozen=True):
    """Readings of `source` for which there was no room: they used up seqs, and are counted, but stand nowhere."""

    source: str
    count: int
    reason: str


class Committed(msgspec.Struct, array_like=True, tag="committed", frozen=True):
    """The database holds every wanted segment up to `through`."""

    through: int


class Shown(msgspec.Struct, array_like=True, tag="shown", frozen=True):
    """Unsynchronised segments of a boot that has not been synchronised yet go to a sink: their times are final."""

    boot_id: str
    ids: Span


class Synchronised(msgspec.Struct, array_like=True, tag="synchronised", frozen=True):
    """The first synchronisation of a boot, after segment `through` was begun."""

    boot_id: str
    offset_ns: int
    """CLOCK_REALTIME minus CLOCK_BOOTTIME from then on."""
    through: int


Record = Chunk | Held | Settle | Drop | Forget | Confirm | Refuse | Committed | Shown | Synchronised


class Sent(msgspec.Struct, array_like=True, frozen=True):
    """A source message that may come again: its fingerprint and the segment that holds its readings."""

    fingerprint: int
    id: int


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
    sent: dict[str, dict[int, Sent]] = {}
    """By source and token, what may come again, in order of arrival."""
    dead: list[DeadLetter] = []
    """Dead letters not in the database yet."""
    boots: dict[str, Boot] = {}
    """By boot id: this boot, and earlier ones whose first synchronisation still re-dates something."""

    @property
    def floor(self) -> int:
        """Every sink is done with the segments up to and including this id."""
        behind = [sink.low for sink in self.sinks.values() if sink.left is None or sink.low < sink.left - 1]
        return min(behind, default=self.next_id - 1)

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
                    sink.dropped[record.reason] = sink.dropped.get(record.reason, 0) + count
                    sink.pending -= count
                for sink in self.sinks.values():
                    sink.skip(record.ids)
            case Forget():
                self.sent.pop(record.source, None)
            case Confirm():
                sent = self.sent.get(record.source, {})
                # In order of arrival, so of segments: what is confirmed comes first.
                for token in list(takewhile(lambda token: sent[token].id <= record.through, sent)):
                    del sent[token]
            case Refuse():
                self._count(record.source, record.count)
                for sink in self.sinks.values():
                    if sink.left is None:
                        sink.dropped[record.reason] = sink.dropped.get(record.reason, 0) + record.count
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
        for source, messages in chunk.origins.items():
            sent = self.sent.setdefault(source, {})
            for token, fingerprint in messages:
                sent.pop(token, None)
                sent[token] = Sent(fingerprint, chunk.id)

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
        for at, letter in record.dead:
            if sink.settle(record.id, record.count, [(at, at + 1)]):
                sink.dead += 1
                sink.pending -= 1
                self.dead.append(letter)

    def configure(self, names: Sequence[str]) -> None:
        """Sinks join at the next reading, leave keeping what they still want, and come back past the gap."""
        for name in names:
            sink = self.sinks.get(name)
            if sink is None:
                self.sinks[name] = Progress(low=self.next_id - 1)
            elif sink.left is not None:
                away, sink.left = (sink.left, self.next_id), None
                sink.skip(away)
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

    def checkpoint(
        self, since: int = 0, dead: Sequence[DeadLetter] | None = None, committed: int | None = None
    ) -> bytes:
        """The state encoded, of what the sources sent only messages in segments from id `since` on.

        `dead` are the letters to go with it, all by default; a commit takes them to a table of their own,
        and says with `committed` how far the database reaches by it.
        """
        sent = {
            source: {token: message for token, message in table.items() if message.id >= since}
            for source, table in self.sent.items()
        }
        letters = self.dead if dead is None else list(dead)
        return _encoder.encode(
            State(
                self.spool_id,
                self.epoch,
                self.lsn,
                self.next_id,
                self.committed if committed is None else committed,
                self.sinks,
                self.received,
                sent,
                letters,
                self.boots,
            )
        )


_encoder = msgspec.msgpack.Encoder()
_state_decoder = msgspec.msgpack.Decoder(State)
_record_decoder = msgspec.msgpack.Decoder(Record)


def decode_state(blob: bytes) -> State:
    """Raises msgspec.ValidationError or DecodeError on anything else."""
    return _state_decoder.decode(blob)


def encode_record(record: Record) -> bytes:
    return _encoder.encode(record)


def decode_record(blob: bytes) -> Record:
    """Raises msgspec.ValidationError or DecodeError on anything else."""
    record: Record = _record_decoder.decode(blob)
    return record
