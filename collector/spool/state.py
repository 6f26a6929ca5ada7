"""What the spool knows besides the readings, and the records that change it.

The state is a function of a checkpoint and the records after it, in order of their log sequence
number. The tail journal holds checkpoints and records, every database commit holds a checkpoint:
SIGKILL finds everything again in the journal, a power cut the last commit.
"""

from collections.abc import Sequence

import msgspec

from collector.clock import Regime
from collector.segment import Segment
from collector.spool.progress import Progress, Span


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


LetterKey = tuple[str, str, int]
"""What names a dead letter: sink, epoch, seq."""

_LETTER_BYTES = 100
"""What a dead letter takes on disk besides its reading and the sink's words, about."""


class DeadLetter(msgspec.Struct, array_like=True, frozen=True):
    """A reading that a sink refused for good, with the sink's words."""

    sink: str
    epoch: str
    seq: int
    reason: str
    reading: bytes
    """A segment of this reading alone, as `encode_segment` makes it."""

    @property
    def key(self) -> LetterKey:
        return self.sink, self.epoch, self.seq

    @property
    def size(self) -> int:
        """Bytes on disk, about."""
        return len(self.reading) + len(self.reason) + _LETTER_BYTES


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


class Requeue(msgspec.Struct, array_like=True, tag="requeue", frozen=True):
    """Dead letters of `sink`, `size` bytes of them, go on their way again: as new segments, to that sink only."""

    sink: str
    segments: list[Segment]
    size: int


class Bury(msgspec.Struct, array_like=True, tag="bury", frozen=True):
    """Dead letters, `size` bytes of them, are given up."""

    letters: list[LetterKey]
    size: int
    reason: str


class Abandon(msgspec.Struct, array_like=True, tag="abandon", frozen=True):
    """All that waits for `sink`, which has left the configuration, is given up."""

    sink: str


class Elapse(msgspec.Struct, array_like=True, tag="elapse", frozen=True):
    """The process has run for so long."""

    seconds: float


class Forget(msgspec.Struct, array_like=True, tag="forget", frozen=True):
    """The far end of `source` has lost its session: nothing it sent comes again."""

    source: str


class Held(msgspec.Struct, array_like=True, tag="held", frozen=True):
    """Readings that the checkpoint before it counts already, and that no earlier record holds."""

    id: int
    first_seq: int
    count: int
    regime: Regime
    body: bytes
    epoch: str
    """Requeued readings keep theirs."""


Record = Chunk | Held | Settle | Drop | Requeue | Bury | Abandon | Elapse | Forget


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
    sinks: dict[str, Progress] = {}
    received: dict[str, int] = {}
    """Readings given a seq, by source, over all runs."""
    sent: dict[str, dict[int, Sent]] = {}
    """By source and token, what may come again, in order of arrival."""
    dead: list[DeadLetter] = []
    """Dead letters not in the database yet."""
    buried: list[LetterKey] = []
    """Dead letters that are none any more, to be deleted from the database before those of `dead` go in."""
    dead_bytes: int = 0
    """What all dead letters take, about."""

    @property
    def floor(self) -> int:
        """Every sink is done with the segments up to and including this id."""
        behind = [sink.low for sink in self.sinks.values() if sink.left is None or sink.low < sink.left - 1]
        return min(behind, default=self.next_id - 1)

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

    def _receive(self, chunk: Chunk) -> None:
        self.next_id = max(self.next_id, chunk.id + 1)
        for source, count in chunk.received.items():
            self.received[source] = self.received.get(source, 0) + count
        for sink in self.sinks.values():
            if sink.left is None:
                sink.received += chunk.count
                sink.pending += chunk.count
        for source, messages in chunk.origins.items():
            sent = self.sent.setdefault(source, {})
            for token, fingerprint in messages:
                sent.pop(token, None)
                sent[token] = Sent(fingerprint, chunk.id)

    def _settle(self, record: Settle) -> None:
        sink = self.sinks[record.sink]
        fresh = sink.settle(record.id, record.count, record.delivered)
        sink.delivered += fresh
        sink.pending -= fresh
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

    def checkpoint(self, since: int = 0, *, letters: bool = True) -> bytes:
        """The state encoded, of what the sources sent only messages in segments from id `since` on.

        With `letters` it says what is still to be done to the table of dead letters; a commit does it.
        """
        sent = {
            source: {token: message for token, message in table.items() if message.id >= since}
            for source, table in self.sent.items()
        }
        told = msgspec.structs.replace(self, sent=sent)
        if not letters:
            told.dead, told.buried = [], []
        return _encoder.encode(told)


_encoder = msgspec.msgpack.Encoder()
_state_decoder = msgspec.msgpack.Decoder(State)
_record_decoder = msgspec.msgpack.Decoder(Record)
_segment_decoder = msgspec.msgpack.Decoder(Segment)


def decode_state(blob: bytes) -> State:
    """Raises msgspec.ValidationError or DecodeError on anything else."""
    return _state_decoder.decode(blob)


def encode_record(record: Record) -> bytes:
    return _encoder.encode(record)


def decode_record(blob: bytes) -> Record:
    """Raises msgspec.ValidationError or DecodeError on anything else."""
    record: Record = _record_decoder.decode(blob)
    return record


def encode_segment(segment: Segment) -> bytes:
    """As a dead letter keeps it."""
    return _encoder.encode(segment)


def decode_segment(blob: bytes) -> Segment:
    """Raises msgspec.ValidationError or DecodeError on anything else."""
    return _segment_decoder.decode(blob)
