"""Start of a run on the disk side: a database to work with, whatever lies there."""

import asyncio
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import msgspec

from collector.errors import DiskUnavailable, SpoolDamaged
from collector.log import events
from collector.spool.database import Database
from collector.spool.note import done, note, noted
from collector.spool.quarantine import new_name, put_aside
from collector.spool.salvage import Row, Wreck
from collector.spool.state import State, decode_state

BATCH = 64
"""Segments salvaged in one transaction."""


class Recovered(NamedTuple):
    database: Database
    stored: State | None
    """Of its last commit; None if there was none, or none is readable."""
    whole: bool
    """False: segments that the state speaks of may be missing."""


async def recover(data_dir: Path) -> Recovered:
    """Opens the database; one that is damaged or not ours goes to `quarantine/`, and what is readable of it comes back.

    Looks at every page only after a run that ended on an I/O error. Until `recovered` is called, the next start
    does a salvage over again. Raises SpoolError.
    """
    path = data_dir / "spool.sqlite3"
    said = noted(data_dir)
    place = said.removeprefix("salvage ") if said.startswith("salvage ") else ""
    if not place:
        try:
            return await _intact(path, said)
        except SpoolDamaged as error:
            place = new_name(data_dir)
            if not note(data_dir, f"salvage {place}"):
                # Without it, a salvage that is killed half-way would pass for the whole.
                raise DiskUnavailable(f"{error}; to put it aside needs room on the disk") from error
            events.SPOOL_DAMAGED.log("%s; put aside in %s, taking over what is readable", error, f"quarantine/{place}")
    wreck = Wreck(put_aside(path, place))
    try:
        database = await Database.open(path)
        try:
            return Recovered(database, await _salvage(wreck, database), False)
        except BaseException:
            await database.close()
            raise
    finally:
        wreck.close()


def recovered(data_dir: Path) -> None:
    """The database holds everything that could be had."""
    done(data_dir)


async def _intact(path: Path, said: str) -> Recovered:
    """Raises SpoolDamaged if it is not."""
    if said == "damaged":
        raise SpoolDamaged(f"{path}: found damaged by the last run")
    database = await Database.open(path)
    try:
        if said == "verify" or not await database.newest_intact():
            why = "the last run ended on an error of the disk" if said else "the newest segments are damaged"
            events.SPOOL_VERIFYING.log("spool: %s: reading every page", why)
            await database.verify()
        blob = await database.load()
        try:
            return Recovered(database, decode_state(blob) if blob is not None else None, True)
        except msgspec.DecodeError as error:
            raise SpoolDamaged(f"{path}: the stored state cannot be read ({error})") from error
    except BaseException:
        await database.close()
        raise


async def _salvage(wreck: Wreck, database: Database) -> State | None:
    """Brings over segments and dead letters; the state comes back to be brought up to date first."""
    segments, letters = wreck.segments(), wreck.letters()

    def next_batch() -> tuple[list[Row], list[Row]]:
        return list(islice(segments, BATCH)), list(islice(letters, BATCH))

    count = 0
    while any(batch := await asyncio.to_thread(next_batch)):
        await database.restore(*batch)
        count += sum(row[3] for row in batch[0])
    events.SPOOL_SALVAGED.log("spool: %d readings could be read of the damaged database", count)
    blob = wreck.state()
    try:
        return decode_state(blob) if blob is not None else None
    except msgspec.DecodeError:
        return None
