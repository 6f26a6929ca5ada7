"""What every framer promises."""

from abc import ABC, abstractmethod
from collections import Counter

INCOMPLETE = "incomplete"
"""Reason counted for a frame that had begun when the input ended."""


class Framer(ABC):
    """Cuts a byte stream into complete frames, however the stream is split into reads.

    After garbage it finds its place again and loses at most one good frame. What it holds between two
    reads is bounded. The counters only grow.
    """

    def __init__(self) -> None:
        self.refused: Counter[str] = Counter()
        """Complete frames that were not accepted, by reason (label of `frames_invalid_total`)."""
        self.ignored = 0
        """Frames the profile knows and does not want, such as replies to commands."""
        self.garbage_bytes = 0
        """Bytes that belong to no accepted or ignored frame."""

    @abstractmethod
    def feed(self, data: bytes) -> list[bytes]:
        """The frames that `data` completed."""

    @abstractmethod
    def end(self) -> list[bytes]:
        """The frames that only the end of the input completes; what is left over counts as `INCOMPLETE`."""
