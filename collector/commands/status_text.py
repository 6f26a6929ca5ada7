"""The Report as a person reads it: the figures, and last, where the eye rests, what to do."""

import sys
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from collector.status.report import NOT_CONFIGURED, FlashReport, Report, SinkReport, SourceReport

NEARLY_FULL = 0.9


_LOST = {
    "full": "the spool was full: raise spool.max_bytes, make room on the disk, or mend the sink sooner",
    "dead full": "more dead letters than are kept: requeue or forget them in time",
    "disk": "the disk took nothing and memory was full: make room on it",
    "damaged": "the card or the file system lost them: check it, and think of replacing the card",
}
"""Why readings were dropped, and what helps."""


class Table(NamedTuple):
    title: str
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]]
    numeric: frozenset[str]
    """Columns that stand to the right."""


def show(report: Report) -> None:
    """To standard output; with colour and lines on a terminal."""
    headline = list(summary(report))
    advice = list(what_to_do(report))
    draw(headline, [sources_table(report), sinks_table(report), ledger_table(report)], advice)


def draw(headline: list[str], tables: list[Table], advice: list[str]) -> None:
    """With colour and lines on a terminal."""
    if sys.stdout.isatty():
        _print_rich(headline, tables, advice)
    else:
        _print_plain(headline, tables, advice)


def summary(report: Report) -> Iterator[str]:
    clock, spool = report.clock, report.spool
    up = duration(report.uptime_seconds)
    yield f"{report.collector}: edge-collector {report.version}, up {up} since {report.started}"
    wait = f"; delivery waits for it, {duration(clock.wait_seconds)} more at most" if clock.wait_seconds else ""
    steps = f"; steps since start: {clock.steps}" if clock.steps else ""
    yield f"clock: {'synchronised' if clock.synchronised else 'NOT synchronised'}{wait}{steps}"
    oldest = f", the oldest for {duration(spool.oldest_age_seconds)}" if spool.pending_readings else ""
    yield (
        f"spool: {spool.pending_readings:,} readings pending{oldest}; "
        f"{size(spool.bytes)} of {size(spool.limit_bytes)} in use, {spool.commits:,} commits"
    )
    if spool.journal:
        yield f"journal: {spool.journal}"
    if report.flash is not None:
        yield f"flash: {flash(report.flash)}"
    if report.sandbox is not None:
        yield f"sandbox: {report.sandbox.stands}"
    for kind, parts in (("source", report.sources), ("sink", report.sinks)):
        for name, part in parts.items():
            if part.last_error:
                yield f"last error of {kind} {name}: {part.last_error}"
    for name, sink in report.sinks.items():
        if sink.note:
            yield f"sink {name}: {sink.note}"


def sources_table(report: Report) -> Table:
    rows: list[tuple[str, ...]] = [
        (name, s.type, s.state, f"{s.readings:,}", counts(s.invalid), f"{s.unacknowledged:,}", _time_of_latest(s))
        for name, s in report.sources.items()
    ]
    columns = ("source", "type", "state", "readings", "refused frames", "unacknowledged", "latest reading")
    return Table("Sources", columns, rows, frozenset({"readings", "unacknowledged"}))


def _time_of_latest(source: SourceReport) -> str:
    return source.latest.time if source.latest is not None else ""


def sinks_table(report: Report) -> Table:
    rows: list[tuple[str, ...]] = [
        (name, s.type, s.state, counts(s.attempts), f"{s.backoff_seconds:.1f} s") for name, s in report.sinks.items()
    ]
    return Table("Sinks", ("sink", "type", "state", "attempts", "back-off"), rows, frozenset({"back-off"}))


def ledger_table(report: Report) -> Table:
    rows: list[tuple[str, ...]] = []
    for name, sink in report.sinks.items():
        books = sink.ledger
        figures = (
            books.received,
            books.delivered,
            books.pending,
            sum(books.dropped.values()),
            books.dead,
            books.remainder,
        )
        rows.append((name, *(f"{figure:,}" for figure in figures)))
    figures_of = ("received", "delivered", "pending", "dropped", "dead", "remainder")
    return Table("Ledger", ("sink", *figures_of), rows, frozenset(figures_of))


def what_to_do(report: Report) -> Iterator[str]:
    """One line for each thing that is wrong; nothing when all is well."""
    for check in report.alive:
        if not check.ok:
            yield f"{check.name} does not live ({check.detail}): restart the collector, then look at its log"
    for check in report.ready:
        if not check.ok:
            yield f"not ready, {check.name}: {check.detail}"
    for name, source in report.sources.items():
        yield from _about_source(name, source)
    for name, sink in report.sinks.items():
        yield from _about_sink(name, sink)
    if report.spool.limit_bytes and report.spool.bytes > NEARLY_FULL * report.spool.limit_bytes:
        yield "the spool is nearly full: mend the sinks, or raise spool.max_bytes, before readings are dropped"
    for lack in report.sandbox.lacks if report.sandbox is not None else ():
        yield f"the sandbox is not whole: {lack}"
    if not report.clock.synchronised:
        yield "the clock is not synchronised: is NTP reachable? Look at: timedatectl timesync-status"


def _about_source(name: str, source: SourceReport) -> Iterator[str]:
    if source.attempted and not source.connected:
        yield f"source {name} is {source.state}, tried again by itself: {source.last_error or 'no reason known'}"
    for device, what in source.devices.items():
        if what is not None:
            yield f"source {name}, device {device}: {what}"
    # What was not answered is no frame, and is told device by device.
    refused = sum(count for reason, count in source.invalid.items() if reason not in ("retained", "timeout"))
    if refused > 10 and refused > source.readings / 10:
        yield (
            f"source {name} refuses many frames ({counts(source.invalid)}): "
            "check profile, baud rate and wiring; edge-collector profiles sniff shows what comes"
        )


def _about_sink(name: str, sink: SinkReport) -> Iterator[str]:
    if sink.state == "held":
        yield (
            f"sink {name} refuses us ({sink.last_error or 'no reason given'}): correct its credentials or "
            "permissions; it is tried again by itself, and every reading is kept meanwhile"
        )
    elif sink.state == "waiting":
        yield f"sink {name} is not reached, its readings wait: {sink.last_error or 'no reason known'}"
    for reason, count in sink.ledger.dropped.items():
        if reason in _LOST:
            yield f"sink {name} lost {count:,} readings ({reason}): {_LOST[reason]}"
    if sink.ledger.dead:
        yield (
            f"sink {name} refused {sink.ledger.dead:,} readings for good: "
            f"edge-collector spool dead --sink {name} says why, and how to send them again"
        )
    if sink.state == NOT_CONFIGURED:
        yield (
            f"sink {name} left the configuration: put it back, or give up what is kept for it: "
            f"edge-collector spool forget {name}"
        )
    if sink.ledger.remainder:
        yield f"the books of sink {name} do not balance: this is a bug; send edge-collector support-bundle"


def flash(written: FlashReport) -> str:
    parts = [f"{size(written.written_bytes)} written since start"]
    if written.bytes_per_reading is not None:
        parts.append(f"{written.bytes_per_reading:,.0f} B a reading")
    if written.bytes_per_day is not None:
        parts.append(f"{size(written.bytes_per_day)} a day at this rate")
    return ", ".join(parts)


def counts(by_reason: dict[str, int]) -> str:
    return ", ".join(f"{reason} {count:,}" for reason, count in by_reason.items() if count)


def duration(seconds: float) -> str:
    """The two largest units: 3 d 4 h, 12 min 5 s."""
    rest = max(0, int(seconds))
    parts: list[str] = []
    for length, unit in ((86400, "d"), (3600, "h"), (60, "min"), (1, "s")):
        count, rest = divmod(rest, length)
        if count or parts or unit == "s":
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2])


def size(amount: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} GiB"


def _print_plain(headline: Iterable[str], tables: list[Table], advice: list[str]) -> None:
    for line in headline:
        print(line)
    for table in tables:
        if not table.rows:
            continue
        print(f"\n{table.title}")
        lines = [table.columns, *table.rows]
        widths = [max(len(line[column]) for line in lines) for column in range(len(table.columns))]
        for row in lines:
            cells = (
                cell.rjust(width) if column in table.numeric else cell.ljust(width)
                for cell, width, column in zip(row, widths, table.columns, strict=True)
            )
            print("  ".join(cells).rstrip())
    print("\nWhat to do" if advice else "\nNothing to do.")
    for line in advice:
        print(f"- {line}")


def _print_rich(headline: Iterable[str], tables: list[Table], advice: list[str]) -> None:
    from rich.console import Console
    from rich.table import Table as RichTable
    from rich.text import Text

    console = Console(highlight=False)
    for line in headline:
        console.print(Text(line))
    for table in tables:
        if not table.rows:
            continue
        drawn = RichTable(title=table.title, title_justify="left", title_style="bold")
        for column in table.columns:
            drawn.add_column(column, justify="right" if column in table.numeric else "left")
        for row in table.rows:
            drawn.add_row(*(Text(cell) for cell in row))
        console.print(drawn)
    console.print(Text("What to do", style="bold red") if advice else Text("Nothing to do.", style="green"))
    for line in advice:
        console.print(Text(f"- {line}"))
