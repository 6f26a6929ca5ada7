"""What can happen to the modelled spool, one step at a time."""

import contextlib
import random
import sqlite3
from typing import Any

from collector.errors import DiskUnavailable
from collector.spool import departed, letters
from tests.spool.deadly import Killed
from tests.spool.invariants import check
from tests.spool.world import SECOND, SINKS, SOURCES, World

Step = tuple[Any, ...]

ANSWERS = ["settle", "settle", "dead", "some dead", "partly", "retry", "lost answer", "too large"]

STEPS: dict[str, tuple[int, list[list[Any]]]] = {
    "publish": (20, [list(SOURCES), ["t", "l", "tt", "tltw", "llt", "tttttt", "w"], [1, 1, 3], [20, 20, 900]]),
    "unheard": (4, [list(SOURCES), ["t", "w", "tw"]]),
    "measure": (3, [[1, 3, 20]]),
    "reconnect": (4, [list(SOURCES), [True, True, True, False], [0.0, 0.5, 1.0]]),
    "acknowledgements": (8, [list(SOURCES)]),
    "ping": (4, [list(SOURCES), ["", "t", "w"]]),
    "seal": (8, []),
    "deliver": (30, [list(SINKS), ANSWERS]),
    "round": (12, [ANSWERS]),
    "commit": (5, []),
    "pass": (12, [[0.1, 1.1, 6.0, 61.0, 4000.0, 700_000.0]]),
    "ready": (4, [list(SINKS), [True, False]]),
    "sinks": (2, [[SINKS, SINKS[:2], SINKS[:1], SINKS[1:], ("file",)]]),
    "requeue": (3, [[*SINKS, None]]),
    "forget": (2, [list(SINKS)]),
    "clock": (3, [["step", "lose", "synchronise"]]),
    "kill": (4, [[False, True], [0, 0, 1, 3]]),
    "die at": (6, [[1, 2, 3, 5, 8], ["before", "torn", "after"], [False, False, True]]),
    "disk full": (3, [[1, 2, 5]]),
    "journal": (3, [["refuses", "takes"]]),
    "damage": (2, [["row", "garbage", "torn journal", "flipped journal"]]),
}
"""How often, relative to the others, and the words that each may come with."""


async def turn(world: World, step: Step) -> None:
    try:
        await _do(world, step)
        await check(world)
    except Killed:
        await world.rebirth()
        await check(world)


async def _do(world: World, step: Step) -> None:
    spool, machine = world.spool, world.machine
    match step:
        case ("publish", source, pattern, readings, size):
            if not spool._held_back:
                world.publish(source, pattern, readings, size)
        case ("unheard", source, pattern):
            if not spool._held_back:
                world.publish(source, pattern, 1, 20, heard=False)
                world.brokers[source].reconnect(present=True)
        case ("measure", readings):
            world.measure(readings)
        case ("reconnect", source, present, acknowledged):
            world.unsure |= set(world.brokers[source].reconnect(present=present, acknowledged=acknowledged))
        case ("acknowledgements", source):
            world.brokers[source].take_acknowledgements()
        case ("ping", source, pattern):
            world.brokers[source].ping(lambda: world.publish(source, pattern, 1, 20))
        case ("seal",):
            spool.flush()
        case ("deliver", sink, answer):
            if sink in world.sinks:
                await world.deliver(sink, answer)
        case ("round", answer):
            spool.flush()
            for sink in world.sinks:
                await world.deliver(sink, answer if sink == world.sinks[0] else "settle")
        case ("commit",):
            with _unless_full(world):
                await spool.commit()
                assert spool.tail.journaled or machine.journal_full, "a commit finds the journal in order again"
        case ("pass", seconds):
            world.clock.now += seconds
            await spool.tend()
        case ("ready", sink, ready):
            if sink in world.sinks:
                spool.ready(sink, ready)
        case ("sinks", sinks):
            await world.open_with(sinks)
        case ("requeue", sink):
            with _unless_full(world):
                await letters.requeue(spool, lambda letter: sink in (None, letter.sink))
        case ("forget", sink):
            if sink not in world.sinks and sink in spool.tail.state.sinks:
                with _unless_full(world):
                    await departed.drop(spool, sink)
        case ("clock", "step"):
            world.clock.offset_ns += 3600 * SECOND
        case ("clock", change):
            world.clock.synchronised = change == "synchronise"
        case ("kill", power, full):
            await world.kill(power=power, full=full)
        case ("die at", write, moment, power):
            machine.countdown, machine.moment, machine.power = write, moment, power
        case ("disk full", transactions):
            machine.full = transactions
        case ("journal", does):
            machine.journal_full = does == "refuses"
        case ("damage", what):
            await damage(world, what)


@contextlib.contextmanager
def _unless_full(world: World) -> Any:
    full = world.machine.full
    try:
        yield
    except DiskUnavailable:
        assert full, "the disk has room"


async def damage(world: World, what: str) -> None:
    """To what a process left that was killed."""
    was_journaled = world.spool.tail.journaled
    world.machine.power = False
    world.machine.fall()
    following = world.machine.life.with_name("next")
    database = following / "data/spool.sqlite3"
    files = [path for path in sorted((following / "run").glob("tail.[01]")) if path.stat().st_size > 100]
    if what == "row":
        with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as connection:
            connection.execute("UPDATE segment SET body = x'00' WHERE id = (SELECT max(id) FROM segment)")
    elif what == "garbage" and was_journaled:
        database.write_bytes(random.Random(1).randbytes(20_000))
        for suffix in ("-wal", "-shm"):
            database.with_name(database.name + suffix).unlink(missing_ok=True)
        world.exact = False
    elif what in ("torn journal", "flipped journal") and files:
        newest = max(files, key=lambda path: path.stat().st_mtime_ns)
        data = bytearray(newest.read_bytes())
        if what == "torn journal":
            del data[-3:]
        else:
            data[-10] ^= 1
        newest.write_bytes(data)
        world.lose_memory(doubles=True)
        world.final = False
    await world.rebirth()
