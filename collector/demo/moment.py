"""What the demo shows: the figures of one moment, and the verdict at the end."""

from collections import deque
from dataclasses import dataclass, field
from typing import Protocol

from collector.demo.audit import Findings
from collector.status.report import Ledger

HISTORY = 1000
"""Looks that are remembered: more than any terminal has columns."""

FIRST_NAMED = 10
"""So many lost or doubled readings are named, the rest counted."""


@dataclass
class Moment:
    """Figures as last seen. While the daemon does not answer, those it tells stay as they were."""

    seconds: float = 0.0
    """Since the devices began."""
    of: float = 0.0
    sent: dict[str, int] = field(default_factory=dict)
    """By source, as the devices count."""
    read: dict[str, int] = field(default_factory=dict)
    """By source, as the daemon counts."""
    unheard: int = 0
    ledger: Ledger = field(default_factory=Ledger)
    stored: int = 0
    rate_in: float = 0.0
    """Readings a second that the daemon took in."""
    rate_out: float = 0.0
    """Readings a second that the cloud stored."""
    uplink_cut: bool = False
    daemon_pid: int = 0
    """0 while it is dead."""
    history: deque[int] = field(default_factory=lambda: deque(maxlen=HISTORY))
    """Pending readings, one figure a look."""


@dataclass(frozen=True)
class Verdict:
    findings: Findings
    ledger: Ledger
    drained: bool
    """Nothing was pending in time."""
    sent: dict[str, int]
    unheard: int
    stored: int
    duplicates: int
    """What the receiver dropped because it had that identity."""

    @property
    def code(self) -> int:
        """The exit code."""
        return 0 if self.findings.sound and self.drained else 1

    def lines(self, *, ledger: bool = True) -> list[str]:
        """For people and for scripts: `lost 0`, `twice 0` and `pending 0` stand on lines of their own."""
        findings, books = self.findings, self.ledger
        lines = [f"lost {findings.lost}", f"twice {len(findings.twice)}", f"pending {books.pending}"]
        if ledger:
            lines.append(
                f"ledger: received {books.received} = delivered {books.delivered} + pending {books.pending} "
                f"+ dropped {sum(books.dropped.values())} + dead {books.dead}, remainder {books.remainder}"
            )
        sent = ", ".join(f"{source} {count}" for source, count in self.sent.items())
        lines += [
            f"sent: {sent}; stored: {self.stored}, with the host's own figures",
            f"unheard: {self.unheard} frames (no process had the port open)",
            f"receive dropped {self.duplicates} duplicates by their identity",
        ]
        for what, names in findings._asdict().items():
            lines += [f"{what}: {name}" for name in names[:FIRST_NAMED]]
            if len(names) > FIRST_NAMED:
                lines.append(f"{what}: and {len(names) - FIRST_NAMED} more")
        if not self.drained:
            lines.append("not drained: the devices' readings did not all arrive in time")
        return lines


class View(Protocol):
    """Shows the demo to a person, or to a file."""

    def event(self, at: float, text: str, *, bad: bool = False) -> None: ...

    def show(self, moment: Moment) -> None: ...

    def conclude(self, verdict: Verdict) -> None: ...

    def close(self) -> None:
        """Idempotent."""
