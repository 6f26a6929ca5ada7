"""The spool against a plain account of every reading, through faults in any order."""

import asyncio
import logging
import os
import random
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from collector.config.model import SpoolSection
from collector.config.units import Duration, Size
from tests.spool.invariants import drain
from tests.spool.steps import STEPS, Step, turn
from tests.spool.world import World

SECTIONS = [
    {},
    {"durability": "strict"},
    {"max_bytes": Size(80_000)},
    {"max_bytes": Size(80_000), "when_full": "reject-new"},
    {"max_bytes": Size(80_000), "durability": "strict"},
]


def life(draw: random.Random, length: int) -> list[Step]:
    kinds, weights = list(STEPS), [weight for weight, _ in STEPS.values()]
    return [(kind, *map(draw.choice, STEPS[kind][1])) for kind in draw.choices(kinds, weights, k=length)]


@pytest.fixture(autouse=True, scope="module")
def silent() -> Iterator[None]:
    """Thousands of faults would fill the log."""
    log = logging.getLogger("edge_collector")
    level = log.level
    log.setLevel(logging.CRITICAL)
    yield
    log.setLevel(level)


async def play(section: dict[str, Any], steps: list[Step]) -> None:
    memory = Path("/dev/shm")
    with TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as name:
        world = World(Path(name), SpoolSection(linger=Duration(3600.0), clock_wait=Duration(120.0), **section))
        with world.machine.at_work():
            await world.open()
            try:
                for step in steps:
                    await turn(world, step)
                await drain(world)
            finally:
                await world.let_go()


LIVES = st.lists(
    st.one_of(*(st.tuples(st.just(kind), *map(st.sampled_from, words)) for kind, (_, words) in STEPS.items())),
    min_size=5,
    max_size=40,
)


SETTLED: list[Step] = [("deliver", "cloud", "settle"), ("deliver", "file", "settle")]
SENT: list[Step] = [("publish", "meter", "t", 1, 20), ("seal",)]


@example({}, [*SENT, *SETTLED, ("ping", "meter", ""), ("unheard", "meter", "w")])
@example(
    {}, [*SENT, *SETTLED, ("acknowledgements", "meter"), ("reconnect", "meter", False, 1.0), ("unheard", "meter", "w")]
)
@example({}, [*SENT, ("deliver", "cloud", "dead"), SETTLED[1], ("acknowledgements", "meter"), ("kill", True, 0)])
@example({}, [("journal", "refuses"), ("measure", 3), ("journal", "takes"), ("commit",), ("kill", False, 0)])
@settings(max_examples=120, deadline=None, derandomize=True)
@given(st.sampled_from(SECTIONS), LIVES)
def test_whatever_happens(section: dict[str, Any], steps: list[Step]) -> None:
    asyncio.run(play(section, steps))


@pytest.mark.parametrize("seed", range(15))
def test_long_lives(seed: int) -> None:
    """Hypothesis likes short ones."""
    asyncio.run(play(SECTIONS[seed % len(SECTIONS)], life(random.Random(seed), 100)))


@pytest.mark.fault(1, 2, 3, 7, 8, 15)
@pytest.mark.slow_fault
@pytest.mark.parametrize("first", range(100, 300, 20))
def test_many_long_lives(first: int) -> None:
    for seed in range(first, first + 20):
        asyncio.run(play(SECTIONS[seed % len(SECTIONS)], life(random.Random(seed), 100)))
