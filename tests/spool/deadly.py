"""Disks that fill up, and a process that dies at any of its writes: what lies on the disk then is copied as it is."""

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Literal
from unittest.mock import patch

from collector.spool import journal
from collector.spool.database import Database
from collector.spool.faults import DiskFull

Moment = Literal["before", "torn", "after"]

SMALL = {
    "ballast.BALLAST_BYTES": 4096,
    "commits.CRAMPED_BYTES": 1500,
    "commits.TAIL_BYTES": 8_000,
    "database._SWEEP": "DELETE FROM segment WHERE id IN (SELECT id FROM segment WHERE id <= ? ORDER BY id LIMIT 3)",
    "database.SWEPT": 3,
    "filling.SEAL_BYTES": 3_000,
    "filling.SEAL_READINGS": 8,
    "journal.ROTATE_BYTES": 6_000,
    "letters.PAGE": 3,
    "outlet.READ_AHEAD": 3,
    "recovery.BATCH": 2,
    "room._LOOK": 2,
    "spool.CROWDED_BYTES": 12_000,
    "spool.FULL_BYTES": 24_000,
    "tail.REMEMBERED": 8,
    "tail.ROTATE_BYTES": 6_000,
    "takeover._LOOK": 3,
}
"""Bounds of the spool, made small enough for short lives to meet them."""


class Killed(BaseException):
    """SIGKILL, or the end of the power."""


class Machine:
    """Directories of one life after another, and what befalls the writes in them."""

    def __init__(self, root: Path) -> None:
        self.life = root / "0"
        self.countdown = 0
        """The write at which the process dies; 0 for none."""
        self.moment: Moment = "before"
        self.power = False
        """Whether the power goes with it."""
        self.full = 0
        """Transactions for which the disk has no room."""
        self.journal_full = False
        self.dead = False
        self._begin()

    @property
    def data(self) -> Path:
        return self.life / "data"

    @property
    def journal(self) -> Path:
        return self.life / "run"

    def die(self) -> None:
        if not self.dead:
            self.fall()
            raise Killed

    def fall(self) -> None:
        """What the next life finds is as it stands now: nothing is flushed, closed or checkpointed first."""
        self.dead = True
        following = self.life.with_name("next")
        shutil.copytree(self.data, following / "data", ignore=shutil.ignore_patterns("ballast"))
        if not self.power:
            shutil.copytree(self.journal, following / "run")

    def rise(self, full: int = 0) -> None:
        """The next life begins; nothing of the one before holds its files any more. Its disk may be `full`."""
        following, number = self.life.with_name("next"), int(self.life.name) + 1
        shutil.rmtree(self.life)
        self.life = self.life.with_name(str(number))
        following.rename(self.life)
        self._begin()
        self.full = full

    def _begin(self) -> None:
        self.dead = self.power = self.journal_full = False
        self.countdown = self.full = 0
        for directory in (self.data, self.journal):
            directory.mkdir(parents=True, exist_ok=True)

    def _due(self) -> bool:
        if not self.countdown:
            return False
        self.countdown -= 1
        return not self.countdown

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Everything the spool writes goes through here."""
        write, transact = journal._write, Database._transact

        def journaling(fd: int, data: bytes, size: int = 0) -> None:
            due = self._due()
            if due and self.moment != "after":
                os.write(fd, data[: len(data) // 2] if self.moment == "torn" else b"")
                self.die()
            if self.journal_full:
                os.write(fd, data[: len(data) // 2])
                raise OSError(28, "No space left on device")
            write(fd, data, size)
            if due:
                self.die()

        async def transacting(database: Database, what: Any) -> None:
            due = self._due()
            if due and self.moment != "after":
                self.die()
            if self.full:
                self.full -= 1
                raise DiskFull("the disk is full")
            await transact(database, what)
            if due:
                self.die()

        with ExitStack() as stack:
            for name, value in SMALL.items():
                stack.enter_context(patch(f"collector.spool.{name}", value))
            stack.enter_context(patch("collector.spool.journal._write", journaling))
            stack.enter_context(patch.object(Database, "_transact", transacting))
            stack.enter_context(patch("collector.spool.spool.journal_directory", lambda data: (self.journal, True)))
            yield
