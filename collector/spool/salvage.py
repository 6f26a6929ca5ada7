"""What is readable of a damaged database: row by row, each against its checksum, past whatever cannot be read."""

import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from collector.spool.database import APPLICATION_ID, PAGE, intact

Row = tuple[Any, ...]
T = TypeVar("T")

MOST_MISSES = 200_000
"""Unreadable ids in a row after which nothing more is expected; an interior page stands for some ten thousand."""


class Wreck:
    """A damaged database, opened for reading only, so that its WAL counts and stays. Nothing here raises."""

    def __init__(self, path: Path) -> None:
        self._connection: sqlite3.Connection | None = None
        try:
            if path.stat().st_size == 0:
                # SQLite deletes the WAL of a database without a page; with one, it reads them from the WAL.
                os.truncate(path, PAGE)
            connection = sqlite3.connect(
                f"{path.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None, check_same_thread=False
            )
            if connection.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,):
                self._connection = connection
            else:
                connection.close()
        except (sqlite3.Error, OSError):
            pass

    def state(self) -> bytes | None:
        """The state of its last commit."""
        row = self._ask(lambda c: c.execute("SELECT body FROM state WHERE id = 1").fetchone())
        return bytes(row[0]) if row and isinstance(row[0], bytes) else None

    def segments(self) -> Iterator[Row]:
        """Every segment whose bytes match their checksum, as it stands in the table, in order of id."""
        for row in self._walk("segment"):
            if intact(body=row[-1], crc=row[-2]) is not None:
                yield row

    def letters(self) -> Iterator[Row]:
        """The dead letters, without their row ids."""
        for row in self._walk("dead"):
            yield row[1:]

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()

    def _walk(self, table: str) -> Iterator[Row]:
        last: Row | None = self._ask(lambda c: c.execute(f"SELECT max(id) FROM {table}").fetchone())
        id, misses = 0, 0
        while self._connection is not None and misses < MOST_MISSES and (last is None or id < (last[0] or 0)):
            try:
                query = f"SELECT * FROM {table} WHERE id > ? ORDER BY id LIMIT 1"
                row = self._connection.execute(query, (id,)).fetchone()
            except sqlite3.Error:
                # Whatever stands next is on a page that cannot be read: look behind it.
                id, misses = id + 1, misses + 1
                continue
            if row is None:
                return
            id, misses = row[0], 0
            yield row

    def _ask(self, question: Callable[[sqlite3.Connection], T]) -> T | None:
        try:
            return question(self._connection) if self._connection is not None else None
        except sqlite3.Error:
            return None
