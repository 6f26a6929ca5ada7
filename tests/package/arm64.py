"""python3 -m tests.package.arm64 TREE [CUTS]: measures the system in TREE/root, emulated, and cuts its power.

The emulator is killed: what the guest had in its page cache is gone, as with a real power cut. What QEMU wrote is in
this machine's cache and stays, so a disk's own volatile cache is not part of it.
"""

import asyncio
import contextlib
import random
import re
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.package.container import Failed
from tests.package.emulated import Machine, make_image
from tests.package.source import Source

BOOT = 900.0
"""Seconds, at most; a minute where nothing else runs."""


class Cloud:
    """`edge-collector receive` on this machine."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._database = folder / "cloud.sqlite3"
        self._log = folder / "receive.log"

    @contextlib.contextmanager
    def up(self) -> Iterator[None]:
        arguments = ["receive", "--quiet", "--http", f"127.0.0.1:{self.port}", "--db", str(self._database)]
        with self._log.open("ab") as log:
            process = subprocess.Popen([sys.executable, "-m", "collector", *arguments], stdout=log, stderr=log)
        try:
            yield
        finally:
            process.terminate()
            process.wait()

    def numbers(self) -> list[int]:
        """Of every message that has come."""
        ours = "SELECT json_extract(fields, '$.n') FROM reading WHERE source = 'meters'"
        with contextlib.closing(sqlite3.connect(f"file:{self._database}?mode=ro", uri=True)) as database:
            return [number for (number,) in database.execute(ours)]


async def main(folder: Path, cuts: int = 5) -> int:
    """Prints what was measured and a line a power cut."""
    cloud, status = Cloud(folder), free_port()
    async with Source().serving() as source:
        make_image(folder, source.port, cloud.port)
        machine = Machine(folder, status)
        try:
            await measure(machine, source, cloud)
            for cut in range(1, cuts + 1):
                print(f"power cut {cut}: {await cut_power(machine, source, cloud)}", flush=True)
        except Failed as error:
            print(f"FAILED: {error}\n--- the console\n{machine.console()[-4000:]}", file=sys.stderr)
            return 1
        finally:
            machine.cut()
    return 0


async def measure(machine: Machine, source: Source, cloud: Cloud) -> None:
    with cloud.up():
        await boot(machine, source)
        await until(lambda: len(times(machine)) == 2, "systemd's times on the console", BOOT)
        started, active = times(machine)["ExecMainStart"], times(machine)["ActiveEnter"]
        print(f"active {active:.1f} s after the kernel began, {active - started:.1f} s after its own start")
        print(machine.get("/readyz?verbose").strip(), flush=True)
        source.rate = 10
        await asyncio.sleep(10)
        spent, number, begin = machine.figure("process_cpu_seconds_total"), len(source.acknowledged), time.monotonic()
        await asyncio.sleep(60)
        spent, number = machine.figure("process_cpu_seconds_total") - spent, len(source.acknowledged) - number
        seconds = time.monotonic() - begin
        source.rate = 0
        rss = machine.figure("process_resident_memory_bytes") / 1e6
    share = f"{spent / seconds:.1%} of an emulated core"
    print(f"{number / seconds:.1f} readings/s: {share}, {rss:.1f} MB resident", flush=True)


def times(machine: Machine) -> dict[str, float]:
    """Of the service, in seconds after the kernel began."""
    found = re.findall(r"(ExecMainStart|ActiveEnter)TimestampMonotonic=(\d+)\s", machine.console())
    return {name: int(microseconds) / 1e6 for name, microseconds in found}


async def cut_power(machine: Machine, source: Source, cloud: Cloud) -> str:
    """Raises Failed for what was acknowledged and does not arrive after the next boot."""
    await offline(source)
    machine.cut()
    source.rate = 0
    await until(lambda: not source.connected, "the connection to end", 10)
    acknowledged = len(source.acknowledged)
    with cloud.up():
        seconds = await boot(machine, source)
        try:
            await until(lambda: source.acknowledged <= set(cloud.numbers()), "all of them to arrive", 120)
        except Failed as error:
            missing = sorted(source.acknowledged - set(cloud.numbers()))
            raise Failed(f"{error}: of {acknowledged} acknowledged {len(missing)} are lost: {missing}") from None
        numbers = cloud.numbers()
    twice = len(numbers) - len(set(numbers))
    return f"{acknowledged} acknowledged by then, 0 lost, {twice} twice; connected again after {seconds:.0f} s"


async def boot(machine: Machine, source: Source) -> float:
    """How many seconds it was until the collector connected."""
    begin = time.monotonic()
    machine.start()
    await until(lambda: source.connected, "the collector to connect", BOOT)
    return time.monotonic() - begin


async def offline(source: Source) -> None:
    """Readings with the uplink away, for an unforeseeable time."""
    before, source.rate = len(source.acknowledged), 20
    await until(lambda: len(source.acknowledged) > before + 50, "acknowledgements with the uplink away", 120)
    await asyncio.sleep(random.uniform(0, 5))


async def until(condition: Callable[[], bool], what: str, seconds: float) -> None:
    """Raises Failed."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise Failed(f"waited {seconds:.0f} s for {what}")
        await asyncio.sleep(0.2)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


if __name__ == "__main__":
    sys.exit(asyncio.run(main(Path(sys.argv[1]).resolve(), *map(int, sys.argv[2:]))))
