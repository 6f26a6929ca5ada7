"""The records that change the spool's state, in the order in which they happened: what the tail journal holds."""

import msgspec

from collector.clock import Regime
from collector.segment import Segment
from collector.spool.progress import Span


class Chunk(msgspec.Struct, array_like=True, tag="chunk", frozen=True):
    """Readings that join segment `id`; the chunks of one id, in order, are the segment."""

    id: int
    first_seq: int
    count: int
    regime: Regime
    body: bytes
    received: dict[str, int]
    """Readings by source."""
    origins: dict[str, dict[int, int]]
    """By source, the messages that can come again: the fingerprint of each by its token, in order of arrival."""
    at: int = 0
    """Readings of the segment that earlier chunks hold."""


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
    late: int = 0
    """Delivered, though they had been dropped for want of room while they were under way."""


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
    epoch: str
    """Requeued readings keep theirs."""


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


class Moved(msgspec.Struct, array_like=True, tag="moved", frozen=True):
    """The last of a file: the next record stands in the other one."""


Record = (
    Chunk
    | Held
    | Requeue
    | Refuse
    | Settle
    | Drop
    | Bury
    | Abandon
    | Elapse
    | Forget
    | Confirm
    | Committed
    | Shown
    | Synchronised
    | Moved
)


_encoder = msgspec.msgpack.Encoder()
_record_decoder = msgspec.msgpack.Decoder(Record)
_segment_decoder = msgspec.msgpack.Decoder(Segment)


def encode_record(record: Record) -> bytes:
    return _encoder.encode(record)


def decode_record(blob: bytes) -> Record:
    """Raises msgspec.ValidationError or DecodeError on anything else."""
    record: Record = _record_decoder.decode(blob)
    return record


def encode_segment(segment: Segment) -> bytes:
    return _encoder.encode(segment)


def decode_segment(blob: bytes) -> Segment:
    """Raises msgspec.ValidationError or DecodeError on anything else."""
    return _segment_decoder.decode(blob)
