"""`edge-collector spool stats`: how much waits, for whom, since when, and what to do."""

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

from collector.commands import configuration
from collector.commands.spool import asking
from collector.commands.status_text import NEARLY_FULL, Table, counts, draw, duration, size
from collector.config.load import Loaded, load

if TYPE_CHECKING:
    from collector.control.protocol import Done
    from collector.control.stats import Report


def add_to(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = verbs.add_parser(
        "stats",
        help="show how much waits, for whom, and since when",
        description="Shows the books of every sink, also of departed ones, and how full the spool is.",
    )
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    configuration.command(parser, load, run)


def run(loaded: Loaded, arguments: argparse.Namespace) -> int:
    from collector.control.protocol import Stats

    def as_json(done: "Done") -> None:
        print(msgspec.json.encode(done.result).decode())

    return asking.ask(loaded, Stats(), as_json if arguments.json else _show)


def _show(done: "Done") -> None:
    from collector.control.stats import Report

    report = msgspec.convert(done.result, Report)
    draw(list(_summary(report)), [_books(report)], list(_what_to_do(report)))


def _summary(report: "Report") -> Iterator[str]:
    state = "the collector is running" if report.running else "NO COLLECTOR IS RUNNING on it"
    yield f"{report.collector}: spool in {report.data_dir}; {state}"
    since = f", the oldest of {report.oldest}" if report.pending and report.oldest else ""
    if report.pending and report.oldest_age_seconds:
        since += f", waiting for {duration(report.oldest_age_seconds)} at least"
    yield f"{report.pending:,} readings wait{since}"
    memory = f" and {report.memory_segments:,} in memory" if report.memory_segments else ""
    yield (
        f"{size(report.bytes)} of {size(report.limit_bytes)} in use; {report.segments:,} segments on disk{memory}; "
        f"dead letters: {size(report.dead_bytes)} of {size(report.dead_limit_bytes)}"
    )


def _books(report: "Report") -> Table:
    rows: list[tuple[str, ...]] = []
    for name, sink in report.sinks.items():
        figures = (sink.received, sink.delivered, sink.pending, sum(sink.dropped.values()), sink.dead, sink.remainder)
        state = "" if sink.configured else "departed"
        rows.append((name, state, *(f"{figure:,}" for figure in figures), counts(sink.dropped)))
    numeric = ("received", "delivered", "pending", "dropped", "dead", "remainder")
    return Table("Books", ("sink", "", *numeric, "dropped because"), rows, frozenset(numeric))


def _what_to_do(report: "Report") -> Iterator[str]:
    if not report.running:
        yield "start the collector, nothing is delivered meanwhile: systemctl start edge-collector"
    if report.bytes > NEARLY_FULL * report.limit_bytes:
        yield "the spool is nearly full: mend the sinks, or raise spool.max_bytes, before readings are dropped"
    for name, sink in report.sinks.items():
        if sink.remainder:
            yield f"the books of sink {name} do not balance: this is a bug; send edge-collector support-bundle"
        if sink.seconds_left is not None:
            left = duration(sink.seconds_left)
            yield (
                f"sink {name} left the configuration: what is kept for it is dropped after {left} of running time; "
                f"put it back, or give it up now: edge-collector spool forget {name}"
            )
        elif sink.dead:
            yield (
                f"sink {name} refused {sink.dead:,} readings for good: "
                f"edge-collector spool dead --sink {name} says why, edge-collector spool requeue sends them again"
            )
