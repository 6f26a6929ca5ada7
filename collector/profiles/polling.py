"""What is sent to a device that must be asked, and when."""

from collections.abc import Iterable
from typing import Annotated

import msgspec

from collector.config.units import Duration
from collector.profiles.table import Hex, Table


class Polling(Table, frozen=True, kw_only=True):
    """One round: wake, warm-up, each request with its answer, sleep. Commands themselves are not answered."""

    requests: list[Hex] = []
    """Each is answered by one frame. Empty: the device speaks by itself once it is awake."""
    interval: Duration | None = None
    """From round to round, where the source does not say. None: only a source that says it polls."""
    timeout: Duration = Duration(1.0)
    """For an answer, or for the first frame."""
    retries: Annotated[int, msgspec.Meta(ge=0, le=10)] = 2
    turnaround: Duration = Duration(0.1)
    """After every command, and between an answer and the next request."""
    init: list[Hex] = []
    """Sent once the port is open."""
    wake: list[Hex] = []
    sleep: list[Hex] = []
    warm_up: Duration = Duration(0.0)
    """What comes so soon after waking is not believed; where nothing wakes the device, after the port is opened."""

    def mistakes(self) -> Iterable[tuple[str, str]]:
        for key in ("requests", "init", "wake", "sleep"):
            if not all(getattr(self, key)):
                yield key, "one is empty: write the bytes to send"
        if bool(self.sleep) != bool(self.wake):
            yield "wake", "wake and sleep belong together; give both or neither"
        if not self.requests and not self.wake:
            yield "requests", "missing: nothing is asked and nothing woken"
        if self.timeout <= 0:
            yield "timeout", "must be more than 0"
        if self.interval is not None and self.interval <= self.shortest:
            yield "interval", f"must be more than {self.shortest:g} s, which one round takes"

    @property
    def shortest(self) -> float:
        """Seconds that one round takes at least."""
        return self.warm_up if self.wake else 0.0
