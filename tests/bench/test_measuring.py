"""Generator and counter between them, on a real broker; what the kernel says of a process."""

import math
import subprocess
import sys
import time
from pathlib import Path

from tests.bench import process
from tests.bench.counter import Counter
from tests.bench.generator import Generator
from tests.bench.messages import FIRST, PAYLOAD_BYTES, packets, payloads
from tests.bench.scenarios import percentiles
from tests.brokers import Mosquitto

PATIENCE = 10


def arrived(counter: Counter, number: int) -> bool:
    end = time.monotonic() + PATIENCE
    while counter.arrivals.unique < number and time.monotonic() < end:
        time.sleep(0.01)
    return counter.arrivals.unique == number


def test_every_message_has_75_bytes() -> None:
    assert {len(payload) for payload in payloads(FIRST, 5000)} == {PAYLOAD_BYTES}


def test_a_message_of_another_size_has_it() -> None:
    assert {len(payload) for size in (50, 50_000) for payload in payloads(FIRST, 3, size)} == {50, 50_000}


def test_what_was_sent_and_came_is_timed(broker: Mosquitto) -> None:
    with Counter(broker.port, 21) as counter, Generator(broker.port) as generator:
        assert counter.subscribed.wait(PATIENCE)
        sent = generator.pace(packets(FIRST, 20), 1000)
        assert arrived(counter, 20)
        assert sent[-1] - sent[0] >= 0.01
        arrivals = counter.arrivals
    assert all(there >= here for here, there in zip(sent, arrivals.when, strict=False))
    took = percentiles([*sent, 0.0], arrivals)
    # The last one never came.
    assert 0 < took.p50 < took.p99 == math.inf


def test_all_that_is_published_is_counted_once(broker: Mosquitto) -> None:
    made = packets(FIRST, 3000)
    with Counter(broker.port, 3000) as counter, Generator(broker.port) as generator:
        assert counter.subscribed.wait(PATIENCE)
        generator.publish(made)
        assert arrived(counter, 3000)
        assert counter.arrivals.twice == 0
        # MQTT 5 adds one byte: the length of no properties.
        assert counter.bytes == sum(map(len, made)) + len(made)


def test_the_counter_misses_nothing_of_what_came_while_it_was_away(broker: Mosquitto) -> None:
    with Counter(broker.port, 10) as counter:
        assert counter.subscribed.wait(PATIENCE)
    with Generator(broker.port) as generator:
        generator.publish(packets(FIRST, 10))
    with Counter(broker.port, 10) as counter:
        assert arrived(counter, 10)


def test_a_process_tree_is_measured_with_its_children(tmp_path: Path) -> None:
    burn = "import time; x = bytearray(40 << 20); [0 for _ in iter(lambda: time.process_time() < 0.3, False)]"
    wait = "import sys; print(flush=True); sys.stdin.read()"
    nested = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {burn + '; ' + wait!r}])"
    with subprocess.Popen([sys.executable, "-c", nested], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout and parent.stdin
        parent.stdout.readline()
        assert len(process.tree(parent.pid)) == 2
        assert process.cpu_seconds(parent.pid) >= 0.3
        assert process.resident_mb(parent.pid) > 40
        assert process.peak_mb(parent.pid) >= process.resident_mb(parent.pid)
        parent.stdin.close()
