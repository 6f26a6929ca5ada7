"""What is sent to a device that must be asked, and when."""

from collections.abc import Iterable
from typing import Annotated

import msgspec

from collector.config.units import Duration
from collector.profiles.table import Hex, Table


class Polling(Table, frozen=True, kw_only=True):
    """One round: wake, warm-up, each request with its answer, sleep. Answers to commands are not waited for.

    A device that is asked more often than it could warm up is woken once and stays awake.
    """

    requests: list[Hex] = []
    """Each is answered by one frame. Empty: the device speaks by itself; one frame a round is taken."""
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
    """What comes so soon after waking, or after the port was opened, is not believed."""

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
