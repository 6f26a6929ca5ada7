"""A clock that tests turn by hand."""

from collector.clock import Regime


class HandClock:
    def __init__(self) -> None:
        self.now = 1000.0
        self.offset_ns = 1_700_000_000_000_000_000
        self.synchronised = True
        self.boot = "boot"

    def monotonic(self) -> float:
        return self.now

    def since_boot(self) -> float:
        return self.now

    def wall_ns(self) -> int:
        return self.offset_ns + int(self.now * 1e9)

    def regime(self) -> Regime:
        return Regime(self.boot, self.offset_ns, self.synchronised)

    def look(self) -> None:
        """Nothing to notice: what the hand has turned is so at once."""
