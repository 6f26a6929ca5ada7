"""The running collector, asked through its own status server."""

from collections.abc import Iterator

from collector.config.load import Loaded
from collector.doctor.finding import Finding, Subject
from collector.errors import CollectorError
from collector.status import client
from collector.status.report import Report


def ask(subject: Subject, loaded: Loaded) -> tuple[Finding, Report | None]:
    """Not running is no failure: whoever sets a box up asks before the first start."""
    try:
        report = client.report(loaded)
    except CollectorError as error:
        problem, _, advice = str(error).rpartition("; ")
        tell = subject.fail if isinstance(error, client.StrangerError) else subject.warn
        return tell(problem or advice, advice), None
    return subject.ok(f"running as {report.collector}, version {report.version}, since {report.started}"), report


def states(report: Report) -> Iterator[Finding]:
    """What does not work just now, by the daemon's own word: our trials may still go well."""
    for name, source in report.sources.items():
        if source.attempted and not source.connected:
            advice = "it is tried again by itself: mend the device, the network or the broker"
            yield Subject("source", f"source {name}").fail(_said(source.state, source.last_error), advice)
        for device, what in source.devices.items():
            if what is not None:
                advice = "look at its power, wiring and address, and at the line's baud rate"
                yield Subject("device", f"source {name}, {device}").fail(what, advice)
    for name, sink in report.sinks.items():
        if sink.state == "held":
            advice = "correct its credentials or permissions; every reading is kept meanwhile"
        elif sink.state == "waiting":
            advice = "it is tried again by itself: mend the network or the far end; its readings wait"
        else:
            continue
        yield Subject("sink", f"sink {name}").fail(_said(sink.state, sink.last_error), advice)


def _said(state: str, error: str | None) -> str:
    return f"{state}: {error or 'no reason known'}"


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
