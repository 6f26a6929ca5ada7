"""Which walls stand around the running collector, or would around one that is started."""

from collections.abc import Iterator

from collector.doctor.finding import Finding, Subject
from collector.sandbox import wall
from collector.status.report import Report


def examine(subject: Subject, mode: wall.Mode, report: Report | None) -> Iterator[Finding]:
    if report is not None and report.sandbox is not None:
        stands, lacks = report.sandbox.stands, report.sandbox.lacks
    else:
        prospect = wall.prospect(mode)
        stands, lacks = f"would be: {prospect}", prospect.missing
    if mode == "off":
        yield subject.warn("off: a hole in the process opens all that its user may do", "remove sandbox.mode")
    elif lacks:
        for lack in lacks:
            found, _, advice = lack.rpartition("; ")
            yield subject.warn(f"{stands}: {found}", advice)
    elif mode == "log":
        yield subject.warn(
            f"{stands}: what is not allowed is only logged", "journalctl -k -g type=1326; then remove sandbox.mode"
        )
    else:
        yield subject.ok(stands)
