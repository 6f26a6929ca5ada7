"""What is known of the wall clock in one boot of the machine, and what that makes of readings taken in it."""

import msgspec

from collector.clock import Regime
from collector.spool.progress import Span


class Boot(msgspec.Struct):
    """Part of the state: the first synchronisation re-dates what was taken before it and no sink has seen."""

    shown: list[Span] = []
    """Segments that a sink may have seen before the first synchronisation."""
    offset_ns: int | None = None
    """CLOCK_REALTIME minus CLOCK_BOOTTIME at the first synchronisation; None until it comes."""
    through: int = 0
    """The last segment begun before it."""

    def open(self, id: int) -> bool:
        """Whether the first synchronisation is still to come, and would re-date segment `id`."""
        return self.offset_ns is None and not self._showed(id)

    def correction(self, id: int, regime: Regime) -> int | None:
        """Nanoseconds to add to times in segment `id`; None where the first synchronisation has no say."""
        if regime.synchronised or self.offset_ns is None or id > self.through or self._showed(id):
            return None
        return self.offset_ns - regime.offset_ns

    def _showed(self, id: int) -> bool:
        return any(start <= id < end for start, end in self.shown)
