"""`edge-collector doctor`: what is wrong around the collector, and what to do about it."""

import argparse
import asyncio
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

from collector.check import load_checked
from collector.commands import configuration
from collector.config.load import Loaded

if TYPE_CHECKING:
    from collector.doctor.finding import Finding

_STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red"}


def add_to(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "doctor",
        help="examine what the collector stands on",
        description="Examines clock, disk, serial ports, brokers, servers and certificates; exits with 1 on a failure.",
    )
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")
    configuration.command(parser, load_checked, run)


def run(loaded: Loaded, arguments: argparse.Namespace) -> int:
    from collector.doctor.examine import examine

    with asyncio.Runner() as runner:
        findings = runner.run(examine(loaded))
        # Inside, because leaving the runner may wait for a name server that does not answer.
        if arguments.json:
            print(msgspec.json.format(msgspec.json.encode(findings)).decode())
        elif sys.stdout.isatty():
            _print_table(findings)
        else:
            print("\n".join(lines(findings)))
        sys.stdout.flush()
    return int(any(finding.verdict == "fail" for finding in findings))


def lines(findings: "list[Finding]") -> Iterator[str]:
    """One line a finding, and what to do indented below it."""
    for finding in findings:
        yield f"{finding.verdict:<4}  {finding.subject}, {finding.where}: {finding.text}"
        for line in finding.advice.splitlines():
            yield f"      {line}"
    yield summary(findings)


def summary(findings: "list[Finding]") -> str:
    failures, warnings = (sum(finding.verdict == verdict for finding in findings) for verdict in ("fail", "warn"))
    if failures or warnings:
        return f"{failures} to mend, {warnings} to think about, {len(findings) - failures - warnings} well."
    return f"All of {len(findings)} are well."


def _print_table(findings: "list[Finding]") -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(show_lines=True)
    for column in ("", "what", "where", "found; what to do"):
        table.add_column(column, overflow="fold")
    for finding in findings:
        said = Text(finding.text)
        if finding.advice:
            said.append(f"\n→ {finding.advice}", style="bold" if finding.verdict == "fail" else "")
        table.add_row(
            Text(finding.verdict, style=_STYLES[finding.verdict]), Text(finding.subject), Text(finding.where), said
        )
    console = Console(highlight=False)
    console.print(table)
    console.print(Text(summary(findings)))
