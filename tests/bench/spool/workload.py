"""What is stored and drained: readings of an ordinary sensor, at a steady pace, by a clock turned by hand."""

import itertools
import json
import random
from collections.abc import Iterator

from collector.config.model import SpoolSection
from collector.config.units import Size
from collector.contracts import Outcome
from collector.reading import Reading
from collector.spool.filling import Origin
from tests.spool.rig import Rig

RATE = 100
"""Readings a second."""

STEP = 0.1
"""Seconds between two bursts, and between two looks of the spool at what is due."""

SECTION = SpoolSection(max_bytes=Size(3 * 2**30))


def payloads(seed: int = 1) -> Iterator[dict[str, float]]:
    """Fields whose JSON is 60 to 67 bytes long; they drift, as measured values do."""
    rng = random.Random(seed)
    temperature, humidity, pressure = 21.5, 48.0, 1013.2
    for n in itertools.count():
        temperature += rng.gauss(0, 0.02)
        humidity += rng.gauss(0, 0.05)
        pressure += rng.gauss(0, 0.02)
        yield {
            "n": n,
            "temperature": round(temperature, 2),
            "humidity": round(humidity, 1),
            "pressure": round(pressure, 1),
        }


def noise(seed: int = 1) -> Iterator[dict[str, float]]:
    """As long, but nothing about a value follows from the one before: what compresses worst."""
    rng = random.Random(seed)
    for n in itertools.count():
        yield {
            "n": n,
            "temperature": round(rng.uniform(-40, 85), 2),
            "humidity": round(rng.uniform(0, 100), 1),
            "pressure": round(rng.uniform(900, 1100), 1),
        }


class Workload:
    """Bursts into an open spool and segments out of it."""

    def __init__(self, rig: Rig, fields: Iterator[dict[str, float]] | None = None) -> None:
        """`fields`: those of `payloads` unless told."""
        self._rig = rig
        self._payloads = fields or payloads()
        self._rng = random.Random(2)
        self._token = itertools.cycle(range(1, 65536))

    async def store(self, seconds: int, *, rate: int = RATE) -> int:
        """Offline; what is in memory at the end is committed. Returns how many readings."""
        burst = round(rate * STEP)
        for _ in range(round(seconds / STEP)):
            self.append(burst)
            await self.pass_time()
        await self._rig.spool.commit()
        return burst * round(seconds / STEP)

    def append(self, count: int) -> None:
        """A burst of MQTT QoS 1 messages of one reading each."""
        wall = self._rig.clock.wall_ns()
        readings = [
            Reading(0, "meter", f"m{at % 10}", wall + at * 1_000_000, "synced", fields)
            for at, fields in enumerate(itertools.islice(self._payloads, count))
        ]
        origins = [Origin(token, self._rng.getrandbits(64), 1) for token in itertools.islice(self._token, count)]
        self._rig.spool.append("meter", readings, origins, 75 * count)

    async def drain(self, readings: int, *, rate: int) -> int:
        """At least so many, at `rate` a second. Returns how many."""
        spool, drained = self._rig.spool, 0
        pace = rate * STEP
        due = 0.0
        while drained < readings:
            due += pace
            while drained < due:
                segment = await spool.next("cloud")
                for part in spool.parts("cloud", segment):
                    spool.settle("cloud", part, Outcome())
                drained += segment.count
            await self.pass_time()
        return drained

    async def pass_time(self) -> None:
        self._rig.clock.now += STEP
        await self._rig.spool.tend()


def json_of(fields: dict[str, float]) -> str:
    return json.dumps(fields, separators=(",", ":"))
