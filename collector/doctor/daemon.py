"""The running collector, asked through its own status server."""

from collections.abc import Iterator

import msgspec

from collector.config.load import Loaded
from collector.doctor.finding import Finding, Subject
from collector.errors import CollectorError
from collector.status.client import fetch
from collector.status.report import Report


def ask(subject: Subject, loaded: Loaded) -> tuple[Finding, Report | None]:
    """Not running is no failure: whoever sets a box up asks before the first start."""
    try:
        report = msgspec.json.decode(fetch(loaded), type=Report)
    except CollectorError as error:
        problem, _, advice = str(error).rpartition("; ")
        return subject.warn(problem or advice, advice), None
    except msgspec.DecodeError as error:
        advice = "does another program listen on status.listen, or is the daemon of another version?"
        return subject.fail(f"the answer is not a collector's /status ({error})", advice), None
    return subject.ok(f"running as {report.collector}, version {report.version}, since {report.started}"), report


def books(subject: Subject, report: Report) -> Iterator[Finding]:
    for name, sink in report.sinks.items():
        books = Subject(subject.subject, f"sink {name}")
        ledger = sink.ledger
        if ledger.remainder:
            yield books.fail(
                f"{ledger.remainder} readings are in no account: received {ledger.received}",
                "this is a bug: please report it with edge-collector support-bundle",
            )
            continue
        lost = sum(ledger.dropped.values())
        figures = (
            f"received {ledger.received} = delivered {ledger.delivered} + pending {ledger.pending}"
            f" + dropped {lost} + dead {ledger.dead}"
        )
        if lost or ledger.dead:
            reasons = ", ".join(f"{reason} {count}" for reason, count in ledger.dropped.items() if count)
            advice = f"dropped ({reasons}): raise spool.max_bytes or mend the sink sooner" if lost else ""
            dead = f"dead: edge-collector spool dead --sink {name} says why, and how to send them again"
            yield books.warn(figures, "; ".join(part for part in (advice, dead if ledger.dead else "") if part))
        else:
            yield books.ok(figures)
