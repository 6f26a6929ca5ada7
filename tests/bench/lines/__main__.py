"""Lines: how near the poller comes to the limit of a bus, and what sensors cost. `python -m tests.bench.lines`."""

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import threading
import time
import tty
from collections.abc import Iterator
from pathlib import Path

from tests.bench.lines.bus import SlowBus
from tests.bench.process import cpu_seconds, resident_mb

SETTLE = 5.0
"""Seconds from the start until the figures count."""

FRAME = bytes.fromhex("aac0d4043a0aa1601dab")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.lines", description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0, help="of each measurement")
    parser.add_argument("--slaves", type=int, default=32)
    parser.add_argument("--baudrate", type=int, default=9600)
    parser.add_argument("--sensors", type=int, default=10)
    given = parser.parse_args()
    bus(given.slaves, given.baudrate, given.seconds)
    sensors(given.sensors, given.seconds)


def bus(slaves: int, baudrate: int, seconds: float) -> None:
    """Every slave is due all the time, so the bus alone sets the pace."""
    line = SlowBus(slaves, baudrate)
    devices = ", ".join(
        f'{{ address = {at}, profile = "eastron-sdm120", interval = "100ms" }}' for at in range(1, slaves + 1)
    )
    section = f'[sources.bus]\ntype = "modbus"\nport = "{line.port}"\nbaudrate = {baudrate}\ndevices = [{devices}]\n'
    try:
        with collector(section) as pid:
            before, began = cpu_seconds(pid), time.monotonic()
            traffic = line.measure(seconds)
            cpu = (cpu_seconds(pid) - before) / (time.monotonic() - began)
    finally:
        line.close()
    print(
        f"{slaves} slaves at {baudrate} baud: {traffic.transactions / traffic.seconds:.1f} transactions/s, "
        f"{traffic.share:.1%} of the bus's limit, {traffic.too_early} too early, {cpu:.1%} of a core"
    )


def sensors(count: int, seconds: float) -> None:
    """Dust sensors that speak once a second, each on its own line."""
    pairs = [os.openpty() for _ in range(count)]
    for _, slave in pairs:
        tty.setraw(slave)
    stop = threading.Event()

    def speak() -> None:
        at = 0
        while not stop.wait(1 / count):
            os.write(pairs[at % count][0], FRAME)
            at += 1

    speaking = threading.Thread(target=speak)
    speaking.start()
    sections = (
        f'[sources.s{at}]\ntype = "serial"\nport = "{os.ttyname(slave)}"\nprofile = "nova-sds011"\n'
        for at, (_, slave) in enumerate(pairs)
    )
    try:
        with collector("".join(sections)) as pid:
            before, began = cpu_seconds(pid), time.monotonic()
            time.sleep(seconds)
            cpu = (cpu_seconds(pid) - before) / (time.monotonic() - began)
            memory = resident_mb(pid)
    finally:
        stop.set()
        speaking.join()
    print(f"{count} sensors at 1 Hz: {cpu:.2%} of a core, {memory:.1f} MB resident")


@contextlib.contextmanager
def collector(sources: str) -> Iterator[int]:
    """The daemon with a file sink, once it has settled; yields its pid."""
    with tempfile.TemporaryDirectory(prefix="bench-lines-") as folder:
        file = Path(folder) / "collector.toml"
        file.write_text(
            f'[collector]\nid = "bench"\ndata_dir = "{folder}/data"\n[status]\nlisten = "unix:{folder}/status"\n'
            f'[sinks.file]\ntype = "file"\npath = "{folder}/readings.jsonl"\n{sources}'
        )
        with (Path(folder) / "log").open("wb") as log:
            daemon = subprocess.Popen([sys.executable, "-m", "collector", "run", "-c", str(file)], stderr=log)
            try:
                time.sleep(SETTLE)
                if daemon.poll() is not None:
                    sys.exit((Path(folder) / "log").read_text())
                yield daemon.pid
            finally:
                daemon.terminate()
                daemon.wait(30)


if __name__ == "__main__":
    main()
