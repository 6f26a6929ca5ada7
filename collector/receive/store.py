"""Readings in SQLite, each once: its identity is the primary key. A post is answered alike however often it comes."""

import hashlib
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from collector.mqtt.packets import Publish
from collector.receive.payload import UNREADABLE, Row, rows, state
from collector.receive.post import Post, Receipt, Refused
from collector.receive.tally import Tally

_SCHEMA_READING = """
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
_SCHEMA_POST = """
CREATE TABLE IF NOT EXISTS post (
    key        TEXT PRIMARY KEY,  -- Idempotency-Key
    digest     BLOB NOT NULL,     -- SHA-256 of the batch, not compressed
    stored     INTEGER NOT NULL,
    duplicates INTEGER NOT NULL
) WITHOUT ROWID, STRICT
"""
_INSERT = "INSERT INTO reading VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (collector, epoch, seq) DO NOTHING"


class Store:
    """The tables of readings and of answered posts. Used from any thread; transactions come one after the other."""

    def __init__(self, file: Path) -> None:
        """Raises sqlite3.Error."""
        self._file = file
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(file, timeout=60.0, isolation_level=None, check_same_thread=False)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.execute(_SCHEMA_READING)
        self._connection.execute(_SCHEMA_POST)

    def add(self, messages: Sequence[Publish]) -> Tally:
        """All their readings are on disk on return, in one transaction. Raises sqlite3.Error, then none is."""
        tally = Tally(messages=len(messages))
        with self._transaction():
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
                stored = self._insert(found)
                tally.readings += len(found)
                tally.stored += stored
                tally.duplicates += len(found) - stored
        return tally

    def add_posts(self, posts: Sequence[Post]) -> list[Receipt | Refused]:
        """Each is on disk as a whole, in one transaction, or refused as a whole. Raises sqlite3.Error, then none is."""
        answers: list[Receipt | Refused] = []
        with self._transaction():
            for post in posts:
                try:
                    answers.append(self._add_post(post))
                except Refused as refusal:
                    answers.append(refusal)
        return answers

    def count(self) -> int:
        """Readings in the table. On a connection of its own, so that nothing waits for it. Raises sqlite3.Error."""
        with closing(sqlite3.connect(f"{self._file.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            return int(connection.execute("SELECT count(*) FROM reading").fetchone()[0])

    def close(self) -> None:
        self._connection.close()

    def _add_post(self, post: Post) -> Receipt:
        unfolded = post.unfolded()
        digest = hashlib.sha256(unfolded).digest()
        answered = self._connection.execute(
            "SELECT digest, stored, duplicates FROM post WHERE key = ?", (post.key,)
        ).fetchone()
        if answered is not None:
            if answered[0] != digest:
                raise Refused(422, f"Idempotency-Key {post.key} came before, with another batch")
            return Receipt(answered[1], answered[2], repeated=True)
        found = post.batch(unfolded).rows
        stored = self._insert(found)
        receipt = Receipt(stored, len(found) - stored)
        self._connection.execute(
            "INSERT INTO post VALUES (?, ?, ?, ?)", (post.key, digest, receipt.stored, receipt.duplicates)
        )
        return receipt

    def _insert(self, found: Sequence[Row]) -> int:
        """How many of them were not there yet."""
        return self._connection.executemany(_INSERT, found).rowcount if found else 0

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            with self._connection:
                yield
