"""Counts of observations by size, cheap enough for the data path; `/metrics` renders it."""

import bisect

import msgspec

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Histogram(msgspec.Struct):
    """`counts[i]` observations lie at or below `bounds[i]` and above the bound before; the last counts the rest."""

    bounds: tuple[float, ...] = SECONDS
    counts: list[int] = msgspec.field(default_factory=lambda: [0] * (len(SECONDS) + 1))
    total: float = 0.0

    @property
    def count(self) -> int:
        return sum(self.counts)

    def observe(self, value: float) -> None:
        self.counts[bisect.bisect_left(self.bounds, value)] += 1
        self.total += value
