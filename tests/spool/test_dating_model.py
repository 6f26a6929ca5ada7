"""Steps, synchronisation, losses of it, SIGKILL and power cuts in any order: what a sink saw never changes."""

import asyncio
import json
import random
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st

from collector.contracts import Outcome
from collector.reading import Reading
from collector.segment import Part
from collector.sinks import wire
from tests.spool.rig import Rig

SECOND = 10**9
SINKS = ("cloud", "file")

STEPS = st.one_of(
    st.tuples(st.just("append"), st.integers(1, 3)),
    st.tuples(st.just("show"), st.sampled_from(SINKS), st.sampled_from(["settle", "keep"])),
    st.tuples(st.just("step"), st.integers(-(10**6), 10**6)),
    st.tuples(st.just("synchronise"), st.booleans()),
    st.tuples(st.just("pass"), st.sampled_from([1, 6, 200])),
    st.tuples(st.sampled_from(["commit", "kill", "power cut"])),
)


class World:
    """The spool, and beside it what was true when each reading was taken and what a sink has seen of it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.rig = Rig(directory / "data", sinks=SINKS)
        self.rig.clock.now, self.rig.clock.synchronised = 10.0, False
        self.first: dict[str, int] = {}
        """By boot, the offset of its first synchronisation."""
        self.taken: set[int] = set()
        self.early: set[int] = set()
        """Taken before the first synchronisation of their boot."""
        self.seen: dict[str, bytes] = {}
        """By identity."""
        self.arrived: dict[str, set[int]] = {sink: set() for sink in SINKS}
        self.forgetful = False
        """A power cut may have taken readings, and the news of a synchronisation."""

    async def turn(self, step: tuple[Any, ...]) -> None:
        clock, spool = self.rig.clock, self.rig.spool
        match step:
            case ("append", count):
                for _ in range(count):
                    self._append()
            case ("show", sink, "settle" | "keep" as then):
                await self.show(sink, settle=then == "settle")
            case ("step", seconds):
                clock.offset_ns += seconds * SECOND
            case ("synchronise", synchronised):
                clock.synchronised = synchronised
            case ("pass", seconds):
                clock.now += seconds
            case ("commit",):
                await spool.commit()
            case ("kill",):
                await self.rig.crash()
                await self.rig.open()
            case ("power cut",):
                await self.rig.crash()
                shutil.rmtree(self.directory / "run")
                clock.boot, clock.now, clock.synchronised = clock.boot + "+", 10.0, False
                self.forgetful = True
                await self.rig.open()
        await self.rig.spool.tend()
        if clock.synchronised:
            self.first.setdefault(clock.boot, clock.offset_ns)

    async def show(self, sink: str, *, settle: bool) -> None:
        """The sink takes its next segment, if there is one."""
        spool = self.rig.spool
        spool.flush()
        outlet = spool._outlets[sink]
        coming = [segment.id for segment in outlet._fetched]
        coming += range(outlet._cursor + 1, spool.tail.last + 1)
        if spool.dating.wait or not any(outlet.progress.missing(id, 1) for id in coming):
            return
        task = asyncio.create_task(spool.next(sink))
        async with asyncio.timeout(10):
            while not task.done():
                await spool.tend()
                await asyncio.sleep(0)
        segment = task.result()
        part = Part(segment, 0, segment.count)
        for reading, told in zip(segment.readings(), json.loads(wire.batch("box", part))["readings"], strict=True):
            self._check(f"{segment.epoch}/{told['seq']}", told)
            self.arrived[sink].add(reading.fields["n"])
        if settle:
            spool.settle(sink, part, Outcome())

    def _append(self) -> None:
        clock, n = self.rig.clock, len(self.taken)
        clock.now += 0.5
        if clock.boot not in self.first and not clock.synchronised:
            self.early.add(n)
        self.taken.add(n)
        fields = {"n": n, "boot": clock.boot, "since_boot": int(clock.now * 1e9), "stamp": clock.wall_ns()}
        said = "synced" if clock.synchronised else "unsynced"
        self.rig.spool.append("meter", [Reading(0, "meter", "m", clock.wall_ns(), said, fields)], [], 50)

    def _check(self, identity: str, told: dict[str, Any]) -> None:
        fields = told["fields"]
        if identity not in self.seen and fields["n"] in self.early and not self.forgetful:
            assert (told["clock"] == "corrected") == (fields["boot"] in self.first)
        assert self.seen.setdefault(identity, json.dumps(told).encode()) == json.dumps(told).encode()
        if told["clock"] == "corrected":
            assert fields["n"] in self.early
            assert told["time_ns"] == self.first[fields["boot"]] + fields["since_boot"]
        else:
            assert told["time_ns"] == fields["stamp"]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(STEPS, min_size=5, max_size=40))
def test_whatever_happens(steps: list[tuple[Any, ...]]) -> None:
    asyncio.run(play(steps))


def test_long_random_lives() -> None:
    """Hypothesis likes short ones."""
    for seed in range(6):
        draw = random.Random(seed)
        lives = [
            ("append", 2),
            ("show", "cloud", "settle"),
            ("show", "cloud", "keep"),
            ("show", "file", "settle"),
            ("step", 3600),
            ("synchronise", True),
            ("synchronise", False),
            ("pass", 1),
            ("pass", 200),
            ("commit",),
            ("kill",),
            ("power cut",),
        ]
        asyncio.run(play(draw.choices(lives, [20, 8, 4, 4, 2, 1, 1, 4, 1, 2, 2, 1], k=300)))


async def play(steps: list[tuple[Any, ...]]) -> None:
    with TemporaryDirectory() as name:
        directory = Path(name)

        def journal_directory(data_dir: Path) -> tuple[Path, bool]:
            (directory / "run").mkdir(exist_ok=True)
            return directory / "run", True

        with patch("collector.spool.spool.journal_directory", journal_directory):
            world = World(directory)
            await world.rig.open()
            try:
                for step in steps:
                    await world.turn(step)
                await drain(world)
            finally:
                await world.rig.spool.close()


async def drain(world: World) -> None:
    """Both sinks catch up, from the last crash on: nothing is lost but to a power cut, nothing early stays wrong."""
    await world.turn(("synchronise", True))
    await world.turn(("kill",))
    for sink in SINKS:
        while world.rig.spool.tail.state.sinks[sink].pending:
            await world.show(sink, settle=True)
        assert world.rig.remainder(sink) == 0
        assert world.forgetful or world.arrived[sink] == world.taken
