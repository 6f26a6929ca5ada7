"""A spool with millions of readings pending: real segments, stored again and again under new ids."""

import itertools
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from collector.spool.database import Database
from collector.spool.state import decode_state
from tests.bench.spool.workload import SECTION, Workload
from tests.spool.rig import Rig

MASTERS = 100
BATCH = 2000


async def fill(directory: Path, pending: int, per_segment: int) -> None:
    """Leaves a closed spool there that holds so many readings for the sink `cloud`, which has had none."""
    rig = Rig(directory, section=SECTION)
    await rig.open(ready=False)
    await Workload(rig).store(MASTERS, rate=per_segment)
    await rig.spool.close()
    await _replicate(directory / "spool.sqlite3", pending)


async def _replicate(path: Path, pending: int) -> None:
    with closing(sqlite3.connect(path)) as connection:
        masters = connection.execute("SELECT * FROM segment ORDER BY id").fetchall()
    database = await Database.open(path)
    try:
        body = await database.load()
        assert body is not None
        state = decode_state(body)
        id, seq, missing = state.next_id, state.received["meter"] + 1, pending - state.received["meter"]
        rows: list[tuple[Any, ...]] = []
        for _, epoch, _, count, *rest in itertools.cycle(masters):
            if missing < count:
                break
            rows.append((id, epoch, seq, count, *rest))
            id, seq, missing = id + 1, seq + count, missing - count
            if len(rows) == BATCH:
                await database.restore(rows, [])
                rows = []
        await database.restore(rows, [])
        state.next_id, state.committed, state.lsn = id, id - 1, state.lsn + id
        cloud = state.sinks["cloud"]
        state.received["meter"] = cloud.received = cloud.pending = seq - 1
        await database.commit([], [], [], state.floor, state.checkpoint())
    finally:
        await database.close()
