"""Holds what the cloud has stored against what the devices know they sent, and against the daemon's books."""

import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import msgspec

from collector.status.report import Ledger

Key = tuple[float, ...]

_fields = msgspec.json.Decoder(dict[str, float | str | bool | None])


class Sent(NamedTuple):
    """What one device sent: `keys` hold the values of `fields`, and no two are equal."""

    source: str
    fields: tuple[str, ...]
    keys: Sequence[Key]


class Findings(NamedTuple):
    """Each entry names one reading or one fault."""

    missing: list[str]
    """Sent by a device, not in the cloud."""
    skipped: list[str]
    """A seq that was given, since later ones of its epoch are there, but is not in the cloud."""
    twice: list[str]
    """In the cloud under more than one identity."""
    strange: list[str]
    """In the cloud, but never sent so."""
    books: list[str]
    """Where the daemon's ledger is not what it must be."""

    @property
    def lost(self) -> int:
        """At least so many: one lost reading may show as missing, as a skipped seq, or as both."""
        return max(len(self.missing), len(self.skipped))

    @property
    def sound(self) -> bool:
        return not any(self)


def audit(database: Path, devices: Sequence[Sent], ledger: Ledger) -> Findings:
    """`database` is the receiver's; `ledger` the sink's, asked for once nothing was pending. Raises sqlite3.Error."""
    findings = Findings([], [], [], [], [])
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        for device in devices:
            _compare(device, _stored(connection, device), findings)
        seqs = connection.execute("SELECT collector, epoch, seq FROM reading ORDER BY collector, epoch, seq").fetchall()
    findings.skipped.extend(_skipped(seqs))
    findings.books.extend(_faults(ledger, len(seqs)))
    return findings


def _stored(connection: sqlite3.Connection, device: Sent) -> Iterator[Key]:
    for (text,) in connection.execute("SELECT fields FROM reading WHERE source = ?", (device.source,)):
        values = _fields.decode(text)
        # A field that is not there, or no number, makes a key that no device has sent.
        yield tuple(
            round(value, 1) if isinstance(value := values.get(field), float) else float("nan")
            for field in device.fields
        )


def _compare(device: Sent, stored: Iterator[Key], findings: Findings) -> None:
    if not device.keys:
        findings.missing.append(f"{device.source}: it sent nothing at all, so nothing is proven")
    found = Counter(stored)
    sent = {tuple(round(float(value), 1) for value in key) for key in device.keys}
    for key in sorted(sent - found.keys()):
        findings.missing.append(_name(device, key))
    for key, count in found.items():
        if key not in sent:
            findings.strange.append(_name(device, key))
        elif count > 1:
            findings.twice.append(f"{_name(device, key)}: {count} times")


def _name(device: Sent, key: Key) -> str:
    return f"{device.source}: " + ", ".join(f"{f} {value:.12g}" for f, value in zip(device.fields, key, strict=True))


def _skipped(seqs: Sequence[tuple[str, str, int]]) -> Iterator[str]:
    """Seqs count from 1 in each epoch. What an epoch lost at its end only the devices can tell."""
    for before, (collector, epoch, seq) in pairwise([("", "", 0), *seqs]):
        first = before[2] + 1 if before[:2] == (collector, epoch) else 1
        yield from (f"{collector}/{epoch}/{absent}" for absent in range(first, seq))


def _faults(ledger: Ledger, stored: int) -> Iterator[str]:
    if ledger.remainder:
        yield f"the books do not balance: remainder {ledger.remainder}"
    if ledger.pending:
        yield f"{ledger.pending} readings are still pending"
    if ledger.dead or ledger.dropped:
        yield f"given up: {ledger.dead} dead, {sum(ledger.dropped.values())} dropped"
    if stored < ledger.delivered:
        yield f"{ledger.delivered} readings are delivered by the books, {stored} are stored"
