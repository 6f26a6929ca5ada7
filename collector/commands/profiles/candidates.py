"""Which profiles fit what was heard: each is tried on all of it."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from collector.errors import ConfigurationError, FrameError
from collector.profiles import Profile, available, load
from collector.profiles.framing import INCOMPLETE


class Candidate:
    """One profile tried on a stream of bytes or on messages."""

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        self.frames = 0
        self.readings = 0
        self.refused = 0
        self._framer = profile.framer()

    def feed(self, data: bytes) -> None:
        """Bytes of a line, as they came."""
        for frame in self._framer.feed(data):
            self.message(frame)

    def end(self) -> None:
        """The line is listened to no longer."""
        for frame in self._framer.end():
            self.message(frame)
        self.refused += self._framer.refused.total() - self._framer.refused[INCOMPLETE]

    def message(self, frame: bytes, topic: str | None = None) -> None:
        """A whole frame."""
        try:
            decoded = self.profile.decode(frame, topic)
        except FrameError:
            self.refused += 1
        else:
            self.frames += 1
            self.readings += len(decoded)

    @property
    def garbage_bytes(self) -> int:
        return self._framer.garbage_bytes

    def __str__(self) -> str:
        skipped = f", {self.garbage_bytes} bytes skipped" if self.garbage_bytes else ""
        return f"{self.profile.id}: {self.frames} frames, {self.readings} readings, {self.refused} refused{skipped}"


def best(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Those that gave readings, the likeliest first: its topics known, nothing refused, nothing skipped."""
    fitting = [one for one in candidates if one.readings]
    return sorted(fitting, key=lambda one: (not one.profile.declaration.topics, one.refused, one.garbage_bytes))


def loaded(folders: Sequence[Path]) -> Iterator[Profile]:
    """Every profile there is; one with mistakes is left out."""
    for id in available(folders):
        try:
            yield load(id, folders)
        except ConfigurationError:
            continue
