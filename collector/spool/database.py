"""The SQLite side of the spool: one file, one connection, one writer, every commit an fsync.

A commit is one transaction: new segments in, finished ones out, the state beside them.
"""

import asyncio
import contextlib
import sqlite3
import zlib
from collections.abc import AsyncIterator, Sequence
from importlib import resources
from pathlib import Path

import aiosqlite
import msgspec

from collector.clock import Regime
from collector.errors import SpoolError
from collector.segment import Segment
from collector.spool.state import DeadLetter, LetterKey

APPLICATION_ID = 0x45434F4C
SCHEMA_VERSION = 1
_ZLIB = 1

SWEPT = 256
"""Finished segments deleted in one transaction: what it reads and writes stays small, however many are finished."""

_PRAGMAS = """
PRAGMA page_size = 4096;
PRAGMA auto_vacuum = NONE;
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
PRAGMA secure_delete = OFF;
PRAGMA cell_size_check = ON;
PRAGMA trusted_schema = OFF;
PRAGMA mmap_size = 0;
PRAGMA wal_autocheckpoint = 1000;
PRAGMA journal_size_limit = 4194304;
PRAGMA busy_timeout = 5000;
"""

_DAMAGED = {"SQLITE_NOTADB", "SQLITE_CORRUPT"}

# The two functions run in the database's own thread, so compression costs the event loop nothing.
_INSERT = "INSERT INTO segment VALUES (?, ?, ?, ?, ?, ?, ?, ?, crc32(?9), deflate(?9))"
_SELECT = """
SELECT id, epoch, first_seq, count, boot_id, offset_ns, synchronised, crc32, body
FROM segment WHERE id > ? ORDER BY id LIMIT ?
"""


_SWEEP = f"DELETE FROM segment WHERE id IN (SELECT id FROM segment WHERE id <= ? ORDER BY id LIMIT {SWEPT})"
_LETTER = "SELECT id, sink, epoch, seq, reason, reading FROM dead"


class Row(msgspec.Struct, frozen=True):
    """A stored segment; `segment` is None where its bytes do not match their checksum."""

    id: int
    count: int
    segment: Segment | None


class Database:
    """Every method raises SpoolError with one line when SQLite fails."""

    def __init__(self, path: Path, connection: aiosqlite.Connection) -> None:
        self._path = path
        self._connection = connection
        self._turn = asyncio.Lock()
        self.bytes = 0
        """Pages in use, in bytes, as of the last commit."""
        self.unswept = False
        """Whether segments that the last commit knew to be finished are left to delete."""
        self._floor = 0

    @classmethod
    async def open(cls, path: Path) -> "Database":
        """Opens or makes the database. Refuses a file that is not ours or is of a newer version."""
        try:
            connection = await aiosqlite.connect(path, isolation_level=None)
        except sqlite3.Error as error:
            raise SpoolError(f"{path}: {error}; see that the directory exists and is ours to write") from error
        database = cls(path, connection)
        try:
            async with database._using():
                await database._prepare()
        except BaseException:
            await connection.close()
            raise
        return database

    async def close(self) -> None:
        await self._connection.close()

    async def load(self) -> bytes | None:
        """The state of the last commit; None in a new database."""
        async with self._using() as connection:
            row = await (await connection.execute("SELECT body FROM state")).fetchone()
        return bytes(row[0]) if row else None

    async def commit(
        self,
        segments: Sequence[Segment],
        dead: Sequence[DeadLetter],
        buried: Sequence[LetterKey],
        floor: int,
        state: bytes,
    ) -> None:
        """All of it on disk, fsynced, on return: segments and dead letters in, buried ones out, the state beside them.

        Of the segments up to `floor` the first `SWEPT` go with it, the rest by `sweep`.
        """
        rows = [
            (s.id, s.epoch, s.first_seq, s.count, *s.regime[:2], s.regime.synchronised, _ZLIB, s.body) for s in segments
        ]
        letters = [(d.sink, d.epoch, d.seq, d.reason, d.reading) for d in dead]
        async with self._using() as connection:
            await connection.execute("BEGIN IMMEDIATE")
            try:
                await connection.executemany(_INSERT, rows)
                swept = (await connection.execute(_SWEEP, (floor,))).rowcount
                await connection.executemany("DELETE FROM dead WHERE sink = ? AND epoch = ? AND seq = ?", buried)
                await connection.executemany(
                    "INSERT OR IGNORE INTO dead (sink, epoch, seq, reason, reading) VALUES (?, ?, ?, ?, ?)",
                    letters,
                )
                await connection.execute("INSERT OR REPLACE INTO state VALUES (1, ?)", (state,))
                await connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    await connection.execute("ROLLBACK")
                raise
            self._floor, self.unswept = floor, swept == SWEPT
            await self._measure()

    async def sweep(self) -> None:
        """Deletes the next `SWEPT` segments that the last commit knew to be finished."""
        async with self._using() as connection:
            swept = (await connection.execute(_SWEEP, (self._floor,))).rowcount
            self.unswept = swept == SWEPT
            await self._measure()

    async def letters(self, after: int, limit: int, sink: str | None = None) -> list[tuple[int, DeadLetter]]:
        """The next dead letters, of one sink or of all, with a row id above `after`, in order, each with its row id."""
        async with self._using() as connection:
            rows = await connection.execute_fetchall(
                f"{_LETTER} WHERE id > ?1 AND (?2 IS NULL OR sink = ?2) ORDER BY id LIMIT ?3", (after, sink, limit)
            )
        return [(row[0], DeadLetter(*row[1:])) for row in rows]

    async def letter(self, key: LetterKey) -> DeadLetter | None:
        async with self._using() as connection:
            row = await (await connection.execute(f"{_LETTER} WHERE (sink, epoch, seq) = (?, ?, ?)", key)).fetchone()
        return DeadLetter(*row[1:]) if row else None

    async def last_letter(self) -> int:
        """The highest row id of a dead letter."""
        async with self._using():
            return await self._value("SELECT ifnull(max(id), 0) FROM dead")

    async def read(self, after: int, limit: int) -> list[Row]:
        """The next stored segments with an id above `after`, in order."""
        async with self._using() as connection:
            rows = await connection.execute_fetchall(_SELECT, (after, limit))
        return [_row(*row) for row in rows]

    async def sizes(self, after: int, limit: int) -> list[tuple[int, int, int]]:
        """(id, readings, stored bytes) of the next segments with an id above `after`, without their bodies."""
        async with self._using() as connection:
            rows = await connection.execute_fetchall(
                "SELECT id, count, length(body) FROM segment WHERE id > ? ORDER BY id LIMIT ?", (after, limit)
            )
        return [(row[0], row[1], row[2]) for row in rows]

    @contextlib.asynccontextmanager
    async def _using(self) -> AsyncIterator[aiosqlite.Connection]:
        async with self._turn:
            try:
                yield self._connection
            except sqlite3.Error as error:
                code = getattr(error, "sqlite_errorname", "SQLITE_ERROR")
                remedy = "; move the file away to start afresh" if code in _DAMAGED else ""
                raise SpoolError(f"{self._path}: {error} ({code}){remedy}") from error

    async def _prepare(self) -> None:
        connection = self._connection
        application_id = await self._value("PRAGMA application_id")
        version = await self._value("PRAGMA user_version")
        tables = await self._value("SELECT count(*) FROM sqlite_schema")
        if (tables or application_id) and application_id != APPLICATION_ID:
            raise SpoolError(f"{self._path}: not a spool of ours (application id {application_id}); move it away")
        if version > SCHEMA_VERSION:
            raise SpoolError(
                f"{self._path}: written by a newer version (schema {version}, this one knows {SCHEMA_VERSION}); "
                "install that version, or move the file away to start afresh"
            )
        await connection.create_function("deflate", 1, _deflate, deterministic=True)
        await connection.create_function("crc32", 1, zlib.crc32, deterministic=True)
        await connection.executescript(_PRAGMAS)
        if not tables:
            schema = resources.files("collector.spool").joinpath("schema.sql").read_text()
            await connection.executescript(
                f"BEGIN;{schema}PRAGMA application_id = {APPLICATION_ID};PRAGMA user_version = {SCHEMA_VERSION};COMMIT;"
            )
        await self._measure()

    async def _measure(self) -> None:
        pages = await self._value("PRAGMA page_count") - await self._value("PRAGMA freelist_count")
        self.bytes = pages * 4096

    async def _value(self, sql: str) -> int:
        row = await (await self._connection.execute(sql)).fetchone()
        return int(row[0]) if row else 0


def _deflate(body: bytes) -> bytes:
    return zlib.compress(body, 1)


def _row(
    id: int,
    epoch: str,
    first_seq: int,
    count: int,
    boot_id: str,
    offset_ns: int,
    synchronised: int,
    crc: int,
    body: bytes,
) -> Row:
    try:
        plain = zlib.decompress(body)
    except zlib.error:
        return Row(id, count, None)
    if zlib.crc32(plain) != crc:
        return Row(id, count, None)
    return Row(id, count, Segment(id, epoch, first_seq, count, Regime(boot_id, offset_ns, bool(synchronised)), plain))
