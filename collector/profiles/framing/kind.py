"""What every kind of framing can tell of itself."""

from abc import abstractmethod
from collections.abc import Callable

from collector.profiles.framing.framer import Framer
from collector.profiles.table import Table
from collector.reading import Decoded

Verify = Callable[[bytes], bool]
Reader = Callable[[bytes], list[Decoded]]


class FramingKind(Table, frozen=True, kw_only=True):
    @property
    def frame_lengths(self) -> list[int]:
        """Of what the payload is given, where they are known; the payload and the checksum must fit them."""
        return []

    @abstractmethod
    def framer(self, verify: Verify | None) -> Framer:
        """A new framer; `verify` tells whether a frame carries the checksum it should."""

    @abstractmethod
    def refusal(self, frame: bytes) -> str | None:
        """Why a frame that did not come through the framer is none."""

    def inside(self, read: Reader) -> Reader:
        """The payload's reader, given what stands inside a frame."""
        return read
