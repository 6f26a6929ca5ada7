"""Captured bytes through a whole profile, as a source would do it: framer, then decoder."""

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from collector.errors import FrameError
from collector.profiles.framing import INCOMPLETE
from collector.profiles.profile import Profile
from collector.reading import Decoded


class Decoding(NamedTuple):
    readings: list[Decoded]
    refused: Counter[str]
    """Complete frames refused, by reason."""
    details: list[str]
    """What the decoder said of the frames it refused."""
    incomplete: bool
    """The bytes ended in the middle of a frame."""
    ignored: int
    """Frames and messages of a kind that is no reading."""
    garbage_bytes: int


def decode(profile: Profile, reads: Iterable[bytes], topic: str | None = None) -> Decoding:
    """`reads` are the bytes as they came, read by read; for message framing each is one message."""
    framer = profile.framer()
    frames = [frame for data in reads for frame in framer.feed(data)]
    frames += framer.end()
    readings: list[Decoded] = []
    ignored = framer.ignored
    refused, details = Counter(framer.refused), []
    incomplete = refused.pop(INCOMPLETE, 0) > 0
    for frame in frames:
        try:
            decoded = profile.decode(frame, topic)
            readings += decoded
            ignored += not decoded
        except FrameError as error:
            refused[error.reason] += 1
            details.append(error.detail)
    return Decoding(readings, refused, details, incomplete, ignored, framer.garbage_bytes)
