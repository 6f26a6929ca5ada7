"""How the cost of a reading grows: with the number of topics, with the size of a payload, with the backlog."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

import msgspec

from tests.bench import scenarios
from tests.bench.peers.peer import Peer

TOPICS = (1, 10, 100, 1_000, 10_000)
SIZES = (50, 200, 1_000, 5_000, 20_000, 50_000)
BACKLOGS = (10_000, 100_000, 1_000_000)
MESSAGES = 100_000
MOST_BYTES = 100_000_000
"""Of one run."""
WHO = "Edge Collector"


class Point(msgspec.Struct, frozen=True):
    """CPU in microseconds a reading, one for each run."""

    peer: str
    sweep: str
    at: int
    cpu: list[float]
    rss: float
    """MB, the most of any run."""


def measure(peers: Sequence[Peer], scratch: Path, rounds: int, *, quick: bool) -> list[Point]:
    """`quick`: the ends of each sweep, once and with a tenth of the messages."""
    points: dict[tuple[str, str, int], list[tuple[float, float]]] = {}
    for _ in range(1 if quick else rounds):
        for peer in peers:
            if not peer.name.startswith(WHO):
                continue
            for sweep, at, cpu, rss in _run(peer, scratch, quick):
                points.setdefault((peer.name, sweep, at), []).append((cpu, rss))
                print(f"{peer.name}: {sweep} {at:,}: {cpu:.1f} us a reading, {rss:.0f} MB", file=sys.stderr, flush=True)
    return [
        Point(name, sweep, at, [cpu for cpu, _ in runs], max(rss for _, rss in runs))
        for (name, sweep, at), runs in points.items()
    ]


def _run(peer: Peer, scratch: Path, quick: bool) -> Iterator[tuple[str, int, float, float]]:
    def ends(values: tuple[int, ...]) -> tuple[int, ...]:
        return (values[0], values[-1]) if quick else values

    share = 10 if quick else 1
    for topics in ends(TOPICS):
        got = scenarios.online(peer, scratch, MESSAGES // share, topics=topics)
        yield "topics", topics, 1e6 / got.per_cpu_second, got.rss_peak
    for size in ends(SIZES):
        got = scenarios.online(peer, scratch, min(MESSAGES, MOST_BYTES // size) // share, size=size)
        yield "payload bytes", size, 1e6 / got.per_cpu_second, got.rss_peak
    for backlog in ends(BACKLOGS):
        held = scenarios.outage(peer, scratch, backlog // share)
        yield "backlog, stored", backlog // share, held.store_cpu * 1e6, held.rss_full
        yield "backlog, drained", backlog // share, held.drain_cpu * 1e6, held.rss_full


def lines(points: Sequence[Point]) -> list[str]:
    """A table for each sweep: the medians, and the least and the most of several runs."""
    out: list[str] = []
    for sweep in dict.fromkeys(point.sweep for point in points):
        peers = list(dict.fromkeys(point.peer for point in points))
        out += [
            f"| {sweep} | " + " | ".join(f"{peer}: us CPU a reading | MB RSS" for peer in peers) + " |",
            "|---" * (1 + 2 * len(peers)) + "|",
        ]
        for at in sorted({point.at for point in points if point.sweep == sweep}):
            cells = [f"{at:,}"]
            for peer in peers:
                (point,) = [p for p in points if (p.peer, p.sweep, p.at) == (peer, sweep, at)]
                spread = f" ({min(point.cpu):.1f}..{max(point.cpu):.1f})" if len(point.cpu) > 1 else ""
                cells += [f"{median(point.cpu):.1f}{spread}", f"{point.rss:.0f}"]
            out.append("| " + " | ".join(cells) + " |")
        out.append("")
    return out[:-1]
