"""Which profiles fit what was heard: each is tried on all of it."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from collector.errors import ConfigurationError, FrameError
from collector.profiles import Profile, available, load
from collector.profiles.framing import INCOMPLETE
from collector.profiles.options import Options
from collector.profiles.payload import CsvPayload


class Candidate:
    """One profile tried on a stream of bytes or on messages."""

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        self.frames = 0
        self.readings = 0
        self.refused = 0
        self._framer = profile.framer()
        payload = profile.declaration.payload
        self._any_columns = (
            profile.with_options(Options(columns=[])) if isinstance(payload, CsvPayload) and payload.columns else None
        )
        self._widths: Counter[int] = Counter()
        """Of lines that other columns would read, by how many they have."""

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
            self._widths[self._width(frame, topic)] += 1
        else:
            self.frames += 1
            self.readings += len(decoded)

    @property
    def columns(self) -> list[str]:
        """What a source must say for most of what was refused to be read; empty where that would not help."""
        width, lines = max(self._widths.items(), key=lambda one: (one[0] > 1, one[1]), default=(0, 0))
        return [f"c{at}" for at in range(width)] if width > 1 and lines > max(self.readings, self._widths[0]) else []

    def _width(self, frame: bytes, topic: str | None) -> int:
        """Values in a line that is refused for their number alone; 0 where none of them is a number, as in prose."""
        if self._any_columns is None:
            return 0
        try:
            values = [value for one in self._any_columns.decode(frame, topic) for value in one.fields.values()]
        except FrameError:
            return 0
        return len(values) if any(isinstance(value, int | float) for value in values) else 0

    @property
    def garbage_bytes(self) -> int:
        return self._framer.garbage_bytes

    def __str__(self) -> str:
        skipped = f", {self.garbage_bytes} bytes skipped" if self.garbage_bytes else ""
        said = f"{self.profile.id}: {self.frames} frames, {self.readings} readings, {self.refused} refused{skipped}"
        named = ", ".join(f'"{name}"' for name in self.columns)
        return f"{said}; with columns = [{named}], by names of your own, it reads more" if named else said


def best(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Those that gave readings, or would, the likeliest first: its topics known, nothing refused, nothing skipped."""
    fitting = [one for one in candidates if one.readings or one.columns]
    return sorted(
        fitting, key=lambda one: (not one.readings, not one.profile.declaration.topics, one.refused, one.garbage_bytes)
    )


def loaded(folders: Sequence[Path]) -> Iterator[Profile]:
    """Every profile there is; one with mistakes is left out."""
    for id in available(folders):
        try:
            yield load(id, folders)
        except ConfigurationError:
            continue
