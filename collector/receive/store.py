"""Readings in SQLite, each once: its identity is the primary key."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from collector.mqtt.packets import Publish
from collector.receive.payload import UNREADABLE, rows, state

_SCHEMA = """
CREATE TABLE IF NOT EXISTS reading (
    collector TEXT NOT NULL,
    epoch     TEXT NOT NULL,
    seq       INTEGER NOT NULL,
    source    TEXT NOT NULL,
    device    TEXT NOT NULL,
    time      INTEGER NOT NULL,  -- Unix time in nanoseconds
    clock     TEXT NOT NULL,
    fields    TEXT NOT NULL,     -- JSON object
    suspect   TEXT,              -- JSON array
    PRIMARY KEY (collector, epoch, seq)
) WITHOUT ROWID, STRICT
"""
_INSERT = "INSERT INTO reading VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (collector, epoch, seq) DO NOTHING"


@dataclass
class Tally:
    """What came of messages. `states` holds what collectors said of themselves, by status topic."""

    messages: int = 0
    readings: int = 0
    stored: int = 0
    duplicates: int = 0
    invalid: int = 0
    states: dict[str, str] = field(default_factory=dict)
    fault: str = ""
    """The last invalid message: where it came and what is wrong with it."""

    def add(self, other: "Tally") -> None:
        self.messages += other.messages
        self.readings += other.readings
        self.stored += other.stored
        self.duplicates += other.duplicates
        self.invalid += other.invalid
        self.states |= other.states
        self.fault = other.fault or self.fault

    def __str__(self) -> str:
        return (
            f"messages {self.messages}  readings {self.readings}  stored {self.stored}  "
            f"duplicates {self.duplicates}  invalid {self.invalid}"
        )


class Store:
    """The table of readings. Used from any thread, but by one at a time."""

    def __init__(self, file: Path) -> None:
        """Raises sqlite3.Error."""
        self._connection = sqlite3.connect(file, timeout=60.0, isolation_level=None, check_same_thread=False)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.execute(_SCHEMA)

    def add(self, messages: Sequence[Publish]) -> Tally:
        """All their readings are on disk on return, in one transaction. Raises sqlite3.Error, then none is."""
        tally = Tally(messages=len(messages))
        self._connection.execute("BEGIN IMMEDIATE")
        with self._connection:
            for message in messages:
                try:
                    said = state(message)
                    if said is not None:
                        tally.states[message.topic] = said
                        continue
                    found = rows(message)
                except UNREADABLE as error:
                    tally.invalid += 1
                    tally.fault = f"{message.topic}: {' '.join(str(error).split())}"
                    continue
                stored = self._connection.executemany(_INSERT, found).rowcount if found else 0
                tally.readings += len(found)
                tally.stored += stored
                tally.duplicates += len(found) - stored
        return tally

    def close(self) -> None:
        self._connection.close()
