"""The SQLite side of the spool: one file, one connection, one writer, every commit an fsync.

A commit is one transaction: new segments in, finished ones out, the state beside them. The file is
locked for as long as it is open, so that nobody else's connection can write, checkpoint or block.
"""

import asyncio
import contextlib
import sqlite3
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import aiosqlite
import msgspec

from collector.clock import Regime
from collector.errors import DiskUnavailable, SpoolDamaged, SpoolRefused
from collector.segment import Segment
from collector.spool import migrations
from collector.spool.ballast import WAL_BYTES, Ballast
from collector.spool.faults import DiskFull, explain
from collector.spool.note import note
from collector.spool.records import DeadLetter, LetterKey

APPLICATION_ID = 0x45434F4C
PAGE = 4096
_ZLIB = 1
_TABLES = {"segment", "state", "dead"}

SWEPT = 256
"""Finished segments deleted in one transaction: what it reads and writes stays small, however many are finished."""

_PRAGMAS = f"""
PRAGMA page_size = {PAGE};
PRAGMA auto_vacuum = NONE;
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
PRAGMA secure_delete = OFF;
PRAGMA cell_size_check = ON;
PRAGMA trusted_schema = OFF;
PRAGMA mmap_size = 0;
PRAGMA temp_store = MEMORY; -- the sandbox leaves no directory for temporary files
PRAGMA wal_autocheckpoint = {WAL_BYTES // PAGE};
PRAGMA journal_size_limit = {WAL_BYTES};
PRAGMA busy_timeout = 5000;
"""

# The two functions run in the database's own thread, so compression costs the event loop nothing.
_INSERT = "INSERT INTO segment VALUES (?, ?, ?, ?, ?, ?, ?, ?, crc32(?9), deflate(?9))"
_SELECT_ROW = "SELECT id, epoch, first_seq, count, boot_id, offset_ns, synchronised, crc32, body FROM segment"
_SELECT = f"{_SELECT_ROW} WHERE id > ? ORDER BY id LIMIT ?"


_SWEEP = f"DELETE FROM segment WHERE id IN (SELECT id FROM segment WHERE id <= ? ORDER BY id LIMIT {SWEPT})"
_INSERT_LETTER = "INSERT OR IGNORE INTO dead (sink, epoch, seq, reason, reading) VALUES (?, ?, ?, ?, ?)"
_LETTER = "SELECT id, sink, epoch, seq, reason, reading FROM dead"


class Row(msgspec.Struct, frozen=True):
    """A stored segment; `segment` is None where its bytes do not match their checksum."""

    id: int
    count: int
    segment: Segment | None


class Database:
    """Every method raises SpoolError with one line when SQLite fails, of the class that `faults` gives it."""

    def __init__(self, path: Path, connection: aiosqlite.Connection, ballast: Ballast) -> None:
        self.ballast = ballast
        self.bytes = 0
        """Pages in use, in bytes, as of the last commit."""
        self.file_bytes = 0
        """All pages, used or free."""
        self.cramped = False
        """The disk was full, so the ballast is gone: what is stored may change but not grow."""
        self.failed = False
        """An error that only a new start with a look at everything can mend."""
        self.unswept = False
        """Whether segments that the last commit knew to be finished are left to delete."""
        self.path = path
        self._connection = connection
        self._turn = asyncio.Lock()
        self._inode = 0
        self._floor = 0
        self._ballasted = False
        """The disk had room for the ballast at the start."""

    @classmethod
    async def open(cls, path: Path) -> "Database":
        """Opens or makes the database, and brings its schema up to date.

        Raises SpoolDamaged for what is not ours as well, SpoolRefused for a newer version.
        """
        ballast = Ballast(path.with_name("ballast"))
        try:
            return await cls._open(path, ballast)
        except DiskFull:
            if not ballast.release():
                raise
            return await cls._open(path, ballast)

    @classmethod
    async def _open(cls, path: Path, ballast: Ballast) -> "Database":
        if _emptied(path):
            # SQLite would take it for a new one, and delete the WAL.
            raise SpoolDamaged(f"{path}: empty, where a spool has stood")
        connection = aiosqlite.connect(path, isolation_level=None)
        try:
            await connection
        except sqlite3.Error as error:
            # Its thread ends by itself, but with a traceback if the loop has been closed before.
            thread: Any = getattr(connection, "_thread", connection)
            await asyncio.to_thread(thread.join, 1.0)
            raise explain(path, error) from error
        database = cls(path, connection, ballast)
        try:
            async with database._using():
                await database._prepare()
            database._inode = _inode(path)
        except BaseException:
            await connection.close()
            raise
        database._ballasted = ballast.take()
        return database

    async def close(self) -> None:
        """Checkpoints; the room that the WAL had is kept for the next start."""
        await self._connection.close()
        self.ballast.take()

    def recover_room(self) -> bool:
        """Takes the ballast again, or does without on a disk that never had room for it; whether there is room now."""
        if self.ballast.take() or (not self._ballasted and self.ballast.room() >= WAL_BYTES):
            self.cramped = False
        return not self.cramped

    async def restore(self, rows: Sequence[tuple[Any, ...]], letters: Sequence[tuple[Any, ...]]) -> None:
        """Stores rows as they stood in another database of the same schema; on disk on return."""

        async def write(connection: aiosqlite.Connection) -> None:
            await connection.executemany("INSERT OR IGNORE INTO segment VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
            await connection.executemany(_INSERT_LETTER, letters)

        await self._transact(write)

    @property
    def gone(self) -> bool:
        """Somebody has removed or replaced the file: what is committed would not be found again."""
        return _inode(self.path) != self._inode

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
        swept = 0

        async def write(connection: aiosqlite.Connection) -> None:
            nonlocal swept
            # First, so that the room they had serves what comes in.
            swept = (await connection.execute(_SWEEP, (floor,))).rowcount
            await connection.executemany(_INSERT, rows)
            await connection.executemany("DELETE FROM dead WHERE sink = ? AND epoch = ? AND seq = ?", buried)
            await connection.executemany(_INSERT_LETTER, letters)
            await connection.execute("INSERT OR REPLACE INTO state VALUES (1, ?)", (state,))

        try:
            await self._transact(write)
        except DiskFull:
            self.cramped = True
            if not self.ballast.release():
                raise
            await self._transact(write)
        self._floor, self.unswept = floor, swept == SWEPT

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

    async def verify(self) -> None:
        """Reads every page. Raises SpoolDamaged; takes some seconds for each 100 MB."""
        async with self._using() as connection:
            for (said,) in await connection.execute_fetchall("PRAGMA quick_check(1)"):
                if said != "ok":
                    raise SpoolDamaged(f"{self.path}: {' '.join(said.split())}")

    async def newest_intact(self, rows: int = 8) -> bool:
        """Whether the segments committed last match their checksums."""
        async with self._using() as connection:
            newest = await connection.execute_fetchall(f"{_SELECT_ROW} ORDER BY id DESC LIMIT ?", (rows,))
        return all(_row(*row).segment is not None for row in newest)

    @contextlib.asynccontextmanager
    async def _using(self) -> AsyncIterator[aiosqlite.Connection]:
        async with self._turn:
            try:
                yield self._connection
            except sqlite3.Error as error:
                explained = explain(self.path, error)
                if not isinstance(explained, DiskUnavailable):
                    self.failed = True
                    note(self.path.parent, "damaged" if isinstance(explained, SpoolDamaged) else "verify")
                raise explained from error

    async def _transact(self, write: Callable[[aiosqlite.Connection], Awaitable[None]]) -> None:
        async with self._using() as connection:
            await connection.execute("BEGIN IMMEDIATE")
            try:
                await write(connection)
                await connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    await connection.execute("ROLLBACK")
                raise
            await self._measure()

    async def _prepare(self) -> None:
        connection = self._connection
        # Before the first look: so the lock is there from the first, and the WAL needs no file of shared memory.
        await connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        await connection.create_function("deflate", 1, _deflate, deterministic=True)
        await connection.create_function("crc32", 1, zlib.crc32, deterministic=True)
        application_id = await self._value("PRAGMA application_id")
        version = await self._value("PRAGMA user_version")
        tables = {row[0] for row in await connection.execute_fetchall("SELECT name FROM sqlite_schema")}
        steps = migrations.scripts()
        if (tables or application_id) and application_id != APPLICATION_ID:
            raise SpoolDamaged(f"{self.path}: a database of another program (application id {application_id})")
        if version > len(steps):
            raise SpoolRefused(
                f"{self.path}: written by a newer version (schema {version}, this one knows {len(steps)}); "
                "install that version, or move the file away to start afresh"
            )
        if version and not tables >= _TABLES:
            raise SpoolDamaged(f"{self.path}: tables are missing ({', '.join(sorted(_TABLES - tables))})")
        await connection.executescript(_PRAGMAS)
        for number, step in enumerate(steps[version:], version + 1):
            marks = f"PRAGMA application_id = {APPLICATION_ID};PRAGMA user_version = {number};"
            await connection.executescript(f"BEGIN IMMEDIATE;{step};{marks}COMMIT;")
        await self._measure()

    async def _measure(self) -> None:
        pages, free = await self._value("PRAGMA page_count"), await self._value("PRAGMA freelist_count")
        self.bytes, self.file_bytes = (pages - free) * PAGE, pages * PAGE

    async def _value(self, sql: str) -> int:
        row = await (await self._connection.execute(sql)).fetchone()
        return int(row[0]) if row else 0


def _emptied(path: Path) -> bool:
    """A file of no bytes beside a WAL, or a ballast, which only a spool that has stood leaves."""
    try:
        empty = path.stat().st_size == 0
    except OSError:
        return False
    return empty and (path.with_name(f"{path.name}-wal").exists() or path.with_name("ballast").exists())


def _inode(path: Path) -> int:
    """0 where there is no file."""
    try:
        return path.stat().st_ino
    except OSError:
        return 0


def intact(body: bytes, crc: int) -> bytes | None:
    """What a stored body holds; None where it does not match its checksum."""
    try:
        plain = zlib.decompress(body)
    except (zlib.error, TypeError):
        return None
    return plain if zlib.crc32(plain) == crc else None


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
    plain = intact(body, crc)
    if plain is None:
        return Row(id, count, None)
    return Row(id, count, Segment(id, epoch, first_seq, count, Regime(boot_id, offset_ns, bool(synchronised)), plain))
