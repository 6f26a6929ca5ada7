"""`make bench`: Edge Collector and its peers, the same work for all, side by side in one run."""

import argparse
import datetime
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from tests.bench import ceiling, picture, scenarios, sweeps, table
from tests.bench.peers.collector import EdgeCollector
from tests.bench.peers.forwarder import Forwarder
from tests.bench.peers.mosquitto import MosquittoBridge
from tests.bench.peers.node_red import NodeRed
from tests.bench.peers.peer import NotInstalled, Peer
from tests.bench.peers.thingsboard import ThingsBoard
from tests.bench.results import Results, Row
from tests.bench.rig import NotMeasured

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "build" / "bench"
PICTURE = ROOT / ".readme" / "bench.svg"
PEERS: tuple[Peer, ...] = (
    EdgeCollector("batch"),
    EdgeCollector("reading"),
    MosquittoBridge(),
    NodeRed(),
    Forwarder(),
    ThingsBoard(),
)
ROUNDS = 3
QUICK_MESSAGES = 50_000
QUICK_MINUTES, MINUTES = 2.7, 70
"""No scenario begins later."""
IDLE_SECONDS = 10
LATENCY_SECONDS = 10
FLASH_SECONDS = 20

T = TypeVar("T")


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="throughput online alone, at most 50000 messages a run")
    parser.add_argument("--sweeps", action="store_true", help="instead: cost by number of topics, payload and backlog")
    parser.add_argument("--rounds", type=int, default=ROUNDS, metavar="N", help=f"runs of each scenario ({ROUNDS})")
    parser.add_argument("--only", default="", metavar="WORD", help="peers whose name has this in it")
    parser.add_argument("--messages", type=int, default=200_000, metavar="N", help="at most so many a run (200000)")
    arguments = parser.parse_args()
    peers = [peer for peer in PEERS if arguments.only.lower() in peer.name.lower()]
    if not peers:
        parser.error(f"--only {arguments.only}: there are {', '.join(peer.name for peer in PEERS)}")
    BUILD.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(dir=BUILD, prefix="run-"))
    try:
        if arguments.sweeps:
            swept = sweeps.measure(peers, scratch, arguments.rounds, quick=arguments.quick)
            (BUILD / "sweeps.json").write_bytes(msgspec.json.format(msgspec.json.encode(swept), indent=1))
            print("\n".join(["", *sweeps.lines(swept)]), f"\n\nFigures: {BUILD / 'sweeps.json'}", sep="")
            return 0
        results = measure(peers, scratch, most=arguments.messages, rounds=arguments.rounds, quick=arguments.quick)
    except KeyboardInterrupt:
        return 130
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    results.save(BUILD / "results.json")
    print("\n".join(["", *table.lines(results), "", *picture.notes(results)]))
    whole = not arguments.quick and not arguments.only
    drawn = PICTURE if whole else BUILD / "bench.svg"
    drawn.write_text(picture.svg(results))
    print(f"\nFigures: {BUILD / 'results.json'}\nPicture: {drawn}")
    return 0


def measure(peers: Sequence[Peer], scratch: Path, *, most: int, rounds: int, quick: bool) -> Results:
    results = Results(
        date=datetime.date.today().isoformat(),
        machine=f"{os.cpu_count()} {platform.machine()} cores (load {os.getloadavg()[0]:.0f} before)",
        ceiling=ceiling.measure(scratch),
        rows=[Row(peer.name, remark=peer.remark) for peer in peers],
    )
    most = min(most, QUICK_MESSAGES) if quick else most
    minutes = QUICK_MINUTES if quick else MINUTES
    runnable = []
    for peer, row in zip(peers, results.rows, strict=True):
        try:
            _say(f"{peer.name}: installing, where it is not there yet")
            peer.install(BUILD / "peers")
            runnable.append((peer, row))
        except NotInstalled as error:
            row.why = f"not installed: {error}"

    end = time.monotonic() + minutes * 60

    def run(name: str, peer: Peer, row: Row, scenario: Callable[..., T], *much: float) -> list[T]:
        """One result, or none, and then the row says why."""
        start = time.monotonic()
        try:
            if start > end:
                raise NotMeasured(f"the bench ends after {minutes} minutes")
            result = [scenario(peer, scratch, *much)]
        except (NotMeasured, OSError, AssertionError) as error:
            row.why = f"{name} not measured: {str(error).splitlines()[0]}"
            result = []
        _say(f"{name:8} {time.monotonic() - start:5.1f} s  {peer.name}: {result[0] if result else row.why}")
        return result

    # Round by round, so that a noisy moment of the machine hits all of them.
    for _ in range(rounds):
        for peer, row in runnable:
            row.online += run("online", peer, row, scenarios.online, min(peer.burst, most))
    for _ in range(0 if quick else rounds):
        for peer, row in runnable:
            row.idle += run("idle", peer, row, scenarios.idle, IDLE_SECONDS)
        for peer, row in runnable:
            row.latency += run("latency", peer, row, scenarios.latency, LATENCY_SECONDS)
        for peer, row in runnable:
            row.killed += run("killed", peer, row, scenarios.killed, min(peer.burst, most) // 2)
        for peer, row in runnable:
            row.outage += run("outage", peer, row, scenarios.outage, min(peer.burst, most))
        for peer, row in runnable:
            row.flash += run("flash", peer, row, scenarios.flash, FLASH_SECONDS)
    return results


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
