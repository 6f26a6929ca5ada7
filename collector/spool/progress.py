"""How far one sink has come, and its books."""

import msgspec

Span = tuple[int, int]
"""A run of segment ids, or of positions in a segment: from, up to (exclusive)."""


class Progress(msgspec.Struct):
    """Progress and books of one sink since it joined; pending is counted by itself, not derived."""

    low: int
    """Done with every segment up to and including this id."""
    above: list[Span] = []
    """Runs of ids above `low` that are done too, or were never its business."""
    partial: dict[int, list[Span]] = {}
    """Positions done in segments that are not done as a whole."""
    left: int | None = None
    """First id that came after the sink left the configuration; None while it is configured."""
    away: float = 0.0
    """Seconds that the process has run since the sink left."""
    received: int = 0
    delivered: int = 0
    pending: int = 0
    dropped: dict[str, int] = {}
    dead: int = 0
    """Dead letters that are kept."""
    refused: int = 0
    """Readings that became dead letters, whatever became of them then."""

    def drop(self, reason: str, count: int) -> None:
        """A negative count takes back."""
        self.dropped[reason] = self.dropped.get(reason, 0) + count
        if not self.dropped[reason]:
            del self.dropped[reason]

    def missing(self, id: int, count: int) -> list[Span]:
        """Positions of segment `id`, `count` readings long, that the sink still wants."""
        if id <= self.low or (self.left is not None and id >= self.left):
            return []
        if any(start <= id < end for start, end in self.above):
            return []
        return complement(self.partial[id], count) if id in self.partial else [(0, count)]

    def wanted(self, id: int, count: int) -> int:
        """How many readings of segment `id` the sink still wants."""
        return size(self.missing(id, count))

    def settle(self, id: int, count: int, spans: list[Span]) -> int:
        """Marks positions of a segment as done; returns how many of them were not done before."""
        missing = self.missing(id, count)
        if not missing:
            return 0
        if spans == [(0, count)]:
            self.skip((id, id + 1))
            return size(missing)
        done = union([*complement(missing, count), *spans])
        left = complement(done, count)
        if left:
            self.partial[id] = done
        else:
            self.skip((id, id + 1))
        return size(missing) - size(left)

    def skip(self, ids: Span) -> None:
        """Marks whole segments as done, whatever they hold."""
        if ids[0] == self.low + 1 < ids[1] and not self.above and not self.partial:
            # As it mostly is: in order, and nothing behind it done before.
            self.low = ids[1] - 1
            return
        for id in [id for id in self.partial if ids[0] <= id < ids[1]]:
            del self.partial[id]
        self.above = union([*self.above, ids])
        while self.above and self.above[0][0] <= self.low + 1:
            self.low = max(self.low, self.above.pop(0)[1] - 1)


def union(spans: list[Span]) -> list[Span]:
    """The same positions as disjoint spans in order, none empty, none touching."""
    merged: list[Span] = []
    for start, end in sorted(span for span in spans if span[0] < span[1]):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def complement(spans: list[Span], count: int) -> list[Span]:
    """The positions from 0 up to `count` that are in none of `spans`, which are disjoint and in order."""
    gaps: list[Span] = []
    position = 0
    for start, end in spans:
        if position < start:
            gaps.append((position, start))
        position = max(position, end)
    if position < count:
        gaps.append((position, count))
    return gaps


def intersection(one: list[Span], other: list[Span]) -> list[Span]:
    """The positions that are in both."""
    both = [(max(a, c), min(b, d)) for a, b in one for c, d in other]
    return [span for span in both if span[0] < span[1]]


def size(spans: list[Span]) -> int:
    return sum(end - start for start, end in spans)


def spans_of(positions: list[int]) -> list[Span]:
    """Single positions as spans."""
    return union([(position, position + 1) for position in positions])
