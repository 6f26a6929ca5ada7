"""The open segment: readings gather here until it is sealed."""

from collections.abc import Sequence

import msgspec

from collector.clock import Regime
from collector.reading import Reading
from collector.segment import Segment, encode, join
from collector.spool.records import Chunk, Held, Requeue

SEAL_READINGS = 500
SEAL_BYTES = 128 * 1024


class Origin(msgspec.Struct, gc=False, frozen=True):
    """The source message that the next few readings came in; token 0 where it cannot be re-sent."""

    token: int
    fingerprint: int
    readings: int


class Filling:
    """Readings of one segment to be, in order; `take` hands out what has not been journaled yet."""

    def __init__(self, id: int, epoch: str, first_seq: int, regime: Regime, opened: float) -> None:
        self.id = id
        self.epoch = epoch
        self.first_seq = first_seq
        self.regime = regime
        self.opened = opened
        self.count = 0
        self.size = 0
        self._bodies: list[bytes] = []
        self._fresh: list[Reading] = []
        self._received: dict[str, int] = {}
        self._origins: dict[str, dict[int, int]] = {}

    @property
    def full(self) -> bool:
        return self.count >= SEAL_READINGS or self.size >= SEAL_BYTES

    @property
    def room(self) -> int:
        return max(0, SEAL_READINGS - self.count)

    def holds(self, source: str, token: int, fingerprint: int) -> bool:
        """Whether such a message is among those not taken yet."""
        return self._origins.get(source, {}).get(token) == fingerprint

    def forget(self, source: str) -> None:
        """None of its messages comes again."""
        self._origins.pop(source, None)

    def add(self, source: str, readings: Sequence[Reading], origins: Sequence[Origin], size: int) -> None:
        for seq, reading in enumerate(readings, self.first_seq + self.count):
            reading.seq = seq
        self._fresh += readings
        self.count += len(readings)
        self.size += size
        self._received[source] = self._received.get(source, 0) + len(readings)
        sent = {origin.token: origin.fingerprint for origin in origins if origin.token}
        if sent:
            self._origins.setdefault(source, {}).update(sent)

    def take(self) -> Chunk | None:
        """What came since the last take, encoded; None if nothing did."""
        if not self._fresh:
            return None
        body = encode(self._fresh)
        first_seq = self.first_seq + self.count - len(self._fresh)
        at = first_seq - self.first_seq
        chunk = Chunk(self.id, first_seq, len(self._fresh), self.regime, body, self._received, self._origins, at)
        self._bodies.append(body)
        self._fresh, self._received, self._origins = [], {}, {}
        return chunk

    def taken(self) -> Held | None:
        """What was taken so far, in one piece; None if nothing was."""
        count = self.count - len(self._fresh)
        return Held(self.id, self.first_seq, count, self.regime, b",".join(self._bodies), self.epoch) if count else None

    def seal(self) -> Segment:
        """The segment; everything must have been taken."""
        return Segment(self.id, self.epoch, self.first_seq, self.count, self.regime, b",".join(self._bodies))


def assemble(records: Sequence[Chunk | Held | Requeue], epoch: str) -> list[Segment]:
    """The segments that journaled records make up, each up to the first piece that is missing.

    Chunks are of `epoch`, the others say theirs.
    """
    by_id: dict[int, list[Segment]] = {}
    for record in records:
        for at, piece in _pieces(record, epoch):
            pieces = by_id.get(piece.id)
            if at == 0:
                # Whatever an older file holds too.
                by_id[piece.id] = [piece]
            elif pieces is not None and piece.first_seq == pieces[-1].last_seq + 1:
                pieces.append(piece)
    return [join(pieces) for _, pieces in sorted(by_id.items())]


def _pieces(record: Chunk | Held | Requeue, epoch: str) -> list[tuple[int, Segment]]:
    """Each with its position in its segment."""
    if isinstance(record, Requeue):
        return [(0, segment) for segment in record.segments]
    at, epoch = (0, record.epoch) if isinstance(record, Held) else (record.at, epoch)
    return [(at, Segment(record.id, epoch, record.first_seq, record.count, record.regime, record.body))]
