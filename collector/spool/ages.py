"""How long the oldest wanted reading has waited, by a clock that never jumps."""

from collections import deque

MARKS = 4096


class Ages:
    """Marks of (last segment id, when its oldest reading came), one for each commit that still holds something."""

    def __init__(self, through: int, now: float) -> None:
        """What is stored up to `through` is as old as this run, as far as anybody can tell."""
        self._marks = deque([(through, now)])

    def mark(self, through: int, oldest: float) -> None:
        self._marks.append((through, oldest))
        if len(self._marks) > MARKS:
            self._marks = deque(list(self._marks)[::2])

    def oldest(self, floor: int) -> float | None:
        """When the oldest reading above segment `floor` came; None if no commit holds any."""
        while self._marks and self._marks[0][0] <= floor:
            self._marks.popleft()
        return self._marks[0][1] if self._marks else None
