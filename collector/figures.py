"""The wiring's figures in the form that `/status`, `/metrics` and the probes show."""

from collections.abc import Mapping
from itertools import accumulate

from collector.config.model import Sink, Source
from collector.delivery import SinkDelivery
from collector.intake import SourceIntake
from collector.reading import rfc3339
from collector.sandbox.wall import Wall
from collector.spool.spool import Spool
from collector.status.report import (
    NOT_CONFIGURED,
    Check,
    FlashReport,
    Histogram,
    Latest,
    Ledger,
    Report,
    SandboxReport,
    SinkReport,
    SourceReport,
    SpoolReport,
)

STUCK = 60.0
"""Seconds without a sign of life from the disk side after which `/livez` says no."""

PROJECT_AFTER = 3600.0
"""Seconds after which what a run has written says something of a day; a start writes more than its share."""


def of_source(intake: SourceIntake, section: Source, spool: Spool | None) -> SourceReport:
    reading = intake.latest
    return SourceReport(
        type=str(section.__struct_config__.tag),
        state=intake.state,
        connected=intake.state == "connected",
        attempted=intake.attempted,
        readings=spool.tail.state.received.get(intake.name, 0) if spool is not None else intake.readings_seen,
        messages=dict(intake.messages),
        invalid=dict(intake.invalid),
        ignored=intake.ignored,
        unacknowledged=intake.unacknowledged,
        devices=dict(intake.troubles),
        latest=Latest(reading.device, rfc3339(reading.time_ns), reading.fields) if reading is not None else None,
        last_error=intake.last_error,
    )


def of_sink(delivery: SinkDelivery, section: Sink, spool: Spool) -> SinkReport:
    books = spool.tail.state.sinks[delivery.name]
    return SinkReport(
        type=str(section.__struct_config__.tag),
        state=delivery.state,
        ledger=Ledger(books.received, books.delivered, books.pending, dict(books.dropped), books.dead),
        connected=delivery.state == "connected",
        refused=books.refused,
        attempts=dict(delivery.attempts),
        backoff_seconds=delivery.backoff_seconds,
        last_error=delivery.last_error,
        note=delivery.sink.note,
    )


def of_departed(spool: Spool | None) -> dict[str, SinkReport]:
    """Sinks that left the configuration and for which something is still kept."""
    sinks = spool.tail.state.sinks if spool is not None else {}
    return {
        name: SinkReport(
            type="none",
            state=NOT_CONFIGURED,
            ledger=Ledger(books.received, books.delivered, books.pending, dict(books.dropped), books.dead),
            refused=books.refused,
        )
        for name, books in sinks.items()
        if books.left is not None and (books.pending or books.dead)
    }


def of_spool(spool: Spool | None, limit: int, opening: str) -> SpoolReport:
    if spool is None:
        why = f"the spool is not open, so what it holds is not known: {opening}" if opening else ""
        return SpoolReport(limit_bytes=int(limit), journal=f"none: {why or 'without a sink nothing is kept'}")
    seconds = spool.commits.seconds
    return SpoolReport(
        pending_readings=max((sink.pending for sink in spool.tail.state.sinks.values()), default=0),
        bytes=spool.database.bytes,
        limit_bytes=int(limit),
        oldest_age_seconds=spool.commits.oldest_age(),
        commits=seconds.count,
        commit_seconds=Histogram(
            dict(zip(seconds.bounds, accumulate(seconds.counts), strict=False)), seconds.count, seconds.total
        ),
        journal=spool.journal_place,
    )


def of_flash(written: int | None, readings: int, uptime: float) -> FlashReport | None:
    """`readings` of this run, which is `uptime` seconds old."""
    if written is None:
        return None
    return FlashReport(
        written,
        written / readings if readings else None,
        written / uptime * 86400 if uptime >= PROJECT_AFTER else None,
    )


def summary(report: Report, rate: float) -> str:
    """One line for `systemctl status`; `rate` in readings a second."""
    said = [check.detail for check in report.ready if check.name == "spool" and not check.ok]
    said.append(f"{rate:.1f} readings/s, {report.spool.pending_readings} pending")
    parts: Mapping[str, SourceReport | SinkReport]
    for kind, parts in (("sources", report.sources), ("sinks", report.sinks)):
        away = ", ".join(f"{name} {part.state}" for name, part in parts.items() if not part.connected)
        connected = sum(part.connected for part in parts.values())
        if parts:
            said.append(f"{kind} {connected} of {len(parts)} connected" + (f" ({away})" if away else ""))
    return "; ".join(said)


def of_sandbox(wall: Wall) -> SandboxReport:
    return SandboxReport(str(wall), wall.lacks())


def ready(intakes: list[SourceIntake], spool: Spool | None, opening: str, wall: Wall) -> list[Check]:
    """Never the cloud: a box that cannot reach it still does its work. `opening` says why the spool is not open yet."""
    if spool is not None:
        checks = [Check("spool", not spool.trouble, spool.trouble or spool.caution or "open")]
    else:
        checks = [Check("spool", not opening, opening or "none: no sink is configured")]
    checks += [
        Check(
            f"source {intake.name}",
            intake.attempted,
            intake.last_error or ("connected" if intake.attempted else "first attempt under way"),
        )
        for intake in intakes
    ]
    return [*checks, Check("sandbox", True, "; ".join([str(wall), *wall.lacks()]))]


def alive(spool: Spool | None, now: float) -> list[Check]:
    """Who reads this knows that the event loop runs; what is left is the disk's thread."""
    silent = now - spool.beat if spool is not None else 0.0
    return [
        Check("loop", True),
        Check("disk", silent < STUCK, "" if silent < STUCK else f"no answer for {silent:.0f} s"),
    ]
