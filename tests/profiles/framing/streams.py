"""What tests of framers share: a stream cut into reads, and what a framer has counted."""

from itertools import pairwise
from typing import NamedTuple

from collector.profiles.framing.framer import Framer


class Counts(NamedTuple):
    refused: dict[str, int]
    ignored: int
    garbage_bytes: int


def counts(framer: Framer) -> Counts:
    return Counts(framer.refused, framer.ignored, framer.garbage_bytes)


def split(data: bytes, cuts: list[int]) -> list[bytes]:
    """`cuts` are any numbers."""
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[a:b] for a, b in pairwise(places)]
