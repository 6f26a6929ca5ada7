"""What is measured. Each function runs one peer through one scenario, on fresh brokers and a fresh disk."""

import contextlib
import math
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from tests.bench import process
from tests.bench.arrivals import Arrivals
from tests.bench.messages import FIRST, PAYLOAD_BYTES, TOPICS, packets
from tests.bench.peers.peer import Peer
from tests.bench.rig import Rig

IDLE_RATE = 100
LATENCY_RATE = 1_000
DRAIN_SECONDS = 90.0
STALL_SECONDS = 0.5


class Online(msgspec.Struct, frozen=True):
    """All messages as fast as they go, nothing in the way."""

    messages: int
    per_cpu_second: float
    per_second: float
    uplink_bytes: float
    """A reading, MQTT's own bytes counted."""
    rss_idle: float
    rss_peak: float
    lost: int


class Idle(msgspec.Struct, frozen=True):
    """IDLE_RATE messages a second."""

    core: float
    """Part of a core, 0 to 1."""
    flash_bytes: float
    uplink_bytes: float


class Latency(msgspec.Struct, frozen=True):
    """Seconds from the devices' socket to the far end's, at LATENCY_RATE."""

    p50: float
    p99: float


class Fault(msgspec.Struct, frozen=True):
    """What a fault cost of `messages`."""

    messages: int
    lost: int
    twice: int
    repeated: int
    """Came again under its identity, so that a receiver passes over it."""


class Outage(Fault, frozen=True):
    rss_full: float
    drain_seconds: float
    store_cpu: float
    drain_cpu: float
    """CPU-seconds a message, taken while the uplink is down; and delivered when it is back."""


class Flash(msgspec.Struct, frozen=True):
    """Bytes written a reading at IDLE_RATE, uplink down; and to drain them."""

    store: float
    drain: float


def online(peer: Peer, scratch: Path, messages: int, *, topics: int = TOPICS, size: int = PAYLOAD_BYTES) -> Online:
    made = packets(FIRST, messages, topics=topics, size=size)
    with Rig(peer, scratch, messages) as rig:
        rss = process.resident_mb(rig.pid)
        before, bytes_before, start = process.cpu_seconds(rig.pid), rig.counter.bytes, time.monotonic()
        rig.generator.publish(made)
        rig.settle(DRAIN_SECONDS)
        used = process.cpu_seconds(rig.pid) - before
        came = rig.counter.arrivals.unique
        return Online(
            messages=messages,
            per_cpu_second=came / used,
            per_second=came / (rig.counter.last - start),
            uplink_bytes=(rig.counter.bytes - bytes_before) / max(came, 1),
            rss_idle=rss,
            rss_peak=process.peak_mb(rig.pid),
            lost=rig.counter.arrivals.lost,
        )


def idle(peer: Peer, scratch: Path, seconds: float) -> Idle:
    made = packets(FIRST, round(IDLE_RATE * seconds))
    with Rig(peer, scratch, len(made)) as rig:
        written, uplink = process.written_bytes(rig.pid), rig.counter.bytes
        before, start = process.cpu_seconds(rig.pid), time.monotonic()
        rig.generator.pace(made, IDLE_RATE)
        core = (process.cpu_seconds(rig.pid) - before) / (time.monotonic() - start)
        rig.settle(DRAIN_SECONDS)
        return Idle(
            core=core,
            flash_bytes=(process.written_bytes(rig.pid) - written) / len(made),
            uplink_bytes=(rig.counter.bytes - uplink) / len(made),
        )


def latency(peer: Peer, scratch: Path, seconds: float) -> Latency:
    made = packets(FIRST, round(LATENCY_RATE * seconds))
    with Rig(peer, scratch, len(made)) as rig, quick_threads():
        sent = rig.generator.pace(made, LATENCY_RATE)
        rig.settle(DRAIN_SECONDS)
        return percentiles(sent, rig.counter.arrivals)


def percentiles(sent: Sequence[float], arrivals: Arrivals) -> Latency:
    """What did not come has taken for ever."""
    took = sorted(there - here if there else math.inf for here, there in zip(sent, arrivals.when, strict=True))
    return Latency(p50=took[len(took) // 2], p99=took[len(took) * 99 // 100])


@contextlib.contextmanager
def quick_threads() -> Iterator[None]:
    """Generator and counter share an interpreter: neither may keep it for the usual 5 ms."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-4)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def outage(peer: Peer, scratch: Path, messages: int) -> Outage:
    """The uplink's broker is away for all messages, then comes back."""
    made = packets(FIRST, messages)
    with Rig(peer, scratch, messages) as rig:
        rig.uplink.stop()
        before = process.cpu_seconds(rig.pid)
        rig.generator.publish(made)
        rig.idle(DRAIN_SECONDS)
        rss, stored = process.resident_mb(rig.pid), process.cpu_seconds(rig.pid)
        start = time.monotonic()
        rig.uplink.start()
        rig.settle(DRAIN_SECONDS, quiet=20)
        drained = process.cpu_seconds(rig.pid)
        arrivals = rig.counter.arrivals
        return Outage(
            messages=messages,
            lost=arrivals.lost,
            twice=arrivals.twice,
            repeated=arrivals.repeated,
            rss_full=rss,
            drain_seconds=rig.counter.last - start if arrivals.unique else 0.0,
            store_cpu=(stored - before) / messages,
            drain_cpu=(drained - stored) / max(arrivals.unique, 1),
        )


def killed(peer: Peer, scratch: Path, messages: int) -> Fault:
    """Half-way the uplink's broker answers no more; in mid-stream the peer is killed.

    Both come back.
    """
    made = packets(FIRST, messages)
    with Rig(peer, scratch, messages) as rig:
        rig.generator.publish(made[: messages // 2])
        rig.uplink.pause()
        rig.generator.publish(made[messages // 2 :])
        time.sleep(STALL_SECONDS)
        rig.kill()
        rig.uplink.resume()
        rig.start()
        rig.settle(DRAIN_SECONDS, quiet=20)
        arrivals = rig.counter.arrivals
        return Fault(messages=messages, lost=arrivals.lost, twice=arrivals.twice, repeated=arrivals.repeated)


def flash(peer: Peer, scratch: Path, seconds: float) -> Flash:
    made = packets(FIRST, round(IDLE_RATE * seconds))
    with Rig(peer, scratch, len(made)) as rig:
        rig.uplink.stop()
        time.sleep(1)
        start = process.written_bytes(rig.pid)
        rig.generator.pace(made, IDLE_RATE)
        time.sleep(2)
        stored = process.written_bytes(rig.pid)
        rig.uplink.start()
        rig.settle(DRAIN_SECONDS, quiet=20)
        time.sleep(2)
        drained = process.written_bytes(rig.pid)
        return Flash(store=(stored - start) / len(made), drain=(drained - stored) / len(made))
