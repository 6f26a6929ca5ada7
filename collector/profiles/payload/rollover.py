"""Counters that begin anew beyond their greatest value, counted on.

The memory lives with the source. After a restart counting begins at what the device says, as if the device itself had
been restarted: whoever takes differences sees one reset.
"""

from collections.abc import Callable
from typing import NamedTuple

from collector.profiles.payload.numbers import Raw

MAX_DEVICES = 256
"""Whose counters are remembered; of more, the one not heard of for longest is forgotten."""


class _Seen(NamedTuple):
    last: int
    before: int
    """What was counted in the rounds before this one."""


def counted(read: Raw, size: int, device: Callable[[bytes], str | None]) -> Raw:
    """Reads a counter of so many values. Going back by more than half of them is a round, by less a new beginning."""
    known: dict[str | None, _Seen] = {}

    def count(frame: bytes) -> int:
        raw: int = read(frame)
        who = device(frame)
        seen = known.pop(who, _Seen(raw, 0))
        before = seen.before
        if raw < seen.last:
            before = before + size if seen.last - raw > size // 2 else 0
        known[who] = _Seen(raw, before)
        if len(known) > MAX_DEVICES:
            del known[next(iter(known))]
        return before + raw

    return count
