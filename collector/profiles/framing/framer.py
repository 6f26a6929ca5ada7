"""What every framer promises, and how those that look for a start find their place again."""

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


class ScanningFramer(Framer):
    """Looks for starts, which also turn up in payloads and in garbage, so that a start alone proves nothing.

    Whatever is not accepted is searched again from its second byte: a false start never takes the good frame
    behind it along.
    """

    def __init__(self) -> None:
        super().__init__()
        self._rest = b""
        """A start whose frame is not complete yet."""

    @abstractmethod
    def _find(self, data: bytes, at: int) -> tuple[int, int | None]:
        """Where the next start begins and how long its frame is; without a start, the end of the data.

        None: the data end too early to tell. 0: no frame can be that long.
        """

    @abstractmethod
    def _accept(self, frame: bytes, accepted: list[bytes]) -> bool:
        """Adds it to `accepted` or counts it as ignored; else counts why it is refused, if it is a frame at all."""

    def feed(self, data: bytes) -> list[bytes]:
        return self._cut(self._rest + data if self._rest else data)

    def end(self) -> list[bytes]:
        frames: list[bytes] = []
        if self._rest:
            self.refused[INCOMPLETE] += 1
        while self._rest:  # the start that waits may have been a false one, with good frames behind it
            self.garbage_bytes += 1
            frames += self._cut(self._rest[1:])
        return frames

    def _cut(self, data: bytes) -> list[bytes]:
        frames: list[bytes] = []
        at, size = 0, len(data)
        while at < size:
            begin, length = self._find(data, at)
            self.garbage_bytes += begin - at
            at = begin
            if length is None or at + length > size:
                break
            if length and self._accept(data[at : at + length], frames):
                at += length
            else:
                self.garbage_bytes += 1
                at += 1
        self._rest = data[at:]
        return frames
