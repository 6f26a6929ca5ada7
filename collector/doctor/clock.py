"""Whether the wall clock can be trusted: every reading is stamped with it."""

from collections.abc import Iterator

from collector.clock import SystemClock
from collector.doctor.finding import Finding, Subject


def examine(subject: Subject, clock: SystemClock) -> Iterator[Finding]:
    if clock.synchronised():
        yield subject.ok("synchronised")
    else:
        yield subject.warn(
            "not synchronised: readings are marked unsynced, and good certificates may look expired",
            "is an NTP server reachable? Look at: timedatectl timesync-status",
        )
