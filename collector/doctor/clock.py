"""Whether the wall clock can be trusted: every reading is stamped with it."""

from collections.abc import Iterator

from collector.clock import SystemClock
from collector.doctor.finding import Finding, Subject
from collector.status.report import Report

_ASKING = """systemctl edit edge-collector, and write:
[Service]
ProtectClock=no
SystemCallFilter=adjtimex clock_adjtime"""
"""Without capabilities nothing can be set by these calls."""


def examine(subject: Subject, clock: SystemClock, report: Report | None) -> Iterator[Finding]:
    """Its unit keeps the running daemon from asking the kernel; what systemd-timesyncd says it hears all the same."""
    if clock.synchronised():
        if report is not None and not report.clock.synchronised:
            yield subject.warn("synchronised, and the running collector cannot tell: readings are unsynced", _ASKING)
            return
        yield subject.ok("synchronised")
    else:
        yield subject.warn(
            "not synchronised: readings are marked unsynced, and good certificates may look expired",
            "is an NTP server reachable? Look at: timedatectl timesync-status",
        )
