"""How fast the bench itself is: generator into broker, broker's store into counter, and straight through."""

import time
from pathlib import Path

from tests.bench.counter import Counter
from tests.bench.generator import Generator
from tests.bench.messages import FIRST, packets
from tests.bench.results import Ceiling
from tests.bench.rig import BROKER
from tests.bench.scenarios import LATENCY_RATE, percentiles, quick_threads
from tests.brokers import Mosquitto

MESSAGES = 200_000
PACED = 3_000


def measure(scratch: Path) -> Ceiling:
    made = packets(FIRST, MESSAGES)
    with Mosquitto(scratch / "solo", persistence=False, config_lines=BROKER) as broker:
        with Counter(broker.port, 1) as counter:  # its session stays, and collects
            counter.subscribed.wait(10)
        with Generator(broker.port) as generator:
            start, used = time.monotonic(), time.thread_time()
            generator.publish(made)
            took, used = time.monotonic() - start, time.thread_time() - used
        with Counter(broker.port, MESSAGES) as counter:
            start = time.monotonic()
            while counter.arrivals.lost and time.monotonic() - start < 60:
                time.sleep(0.01)
            counted = counter.arrivals.unique
        with Counter(broker.port, PACED) as direct, Generator(broker.port) as generator, quick_threads():
            direct.subscribed.wait(10)
            sent = generator.pace(made[:PACED], LATENCY_RATE)
            time.sleep(1)
        alone = percentiles(sent, direct.arrivals)
        return Ceiling(
            generator=MESSAGES / took,
            generator_cpu=MESSAGES / used,
            counter=counted / (counter.last - start),
            counter_cpu=counted / counter.cpu,
            p50=alone.p50,
            p99=alone.p99,
        )
