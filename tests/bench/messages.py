"""What every peer carries: numbered JSON messages, 75 bytes on a hundred topics unless told, as PUBLISH packets."""

import random

from collector.mqtt.encode import publish
from collector.mqtt.packets import VERSION_3_1_1, Message

FIRST = 100_000_000
"""Numbers have nine digits, so that every message has the same length."""
PROBE = 900_000_000
"""From here on, a message asks whether the way is open and is not counted."""
TOPICS = 100
PAYLOAD_BYTES = 75
PACKET_IDS = 65_000
TEXT = b"abcdefghijklmnopqrstuvwxyz0123456789 .,;-"


def payloads(first: int, count: int, size: int = PAYLOAD_BYTES) -> list[bytes]:
    """Meters whose values wander as real ones do; the same numbers give the same bytes.

    Of another size than the usual they carry a number and as much text as fits, 26 bytes at least.
    """
    if size != PAYLOAD_BYTES:
        text = random.Random(size).choices(TEXT, k=size - 25)
        return [b'{"n":%d,"text":"%s"}' % (number, bytes(text)) for number in range(first, first + count)]
    wander = random.Random(first)
    power, energy, voltage = 1500.0, 50_000.0, 230.0
    made = []
    for number in range(first, first + count):
        power = min(max(power + wander.uniform(-9, 9), 1000), 9999)
        energy += power / 3.6e6
        voltage = min(max(voltage + wander.uniform(-0.2, 0.2), 220), 240)
        made.append(
            b'{"n":%d,"power":%.1f,"energy":%.3f,"volts":%.2f,"hz":%.2f}'
            % (number, power, energy, voltage, 50 + wander.uniform(-0.02, 0.02))
        )
    return made


def packets(first: int, count: int, *, topics: int = TOPICS, size: int = PAYLOAD_BYTES) -> list[bytes]:
    """QoS 1, MQTT 3.1.1; whoever sends them has at most PACKET_IDS unacknowledged."""
    return [
        publish(Message(f"meters/{n % topics}/power", payload), n % PACKET_IDS + 1, version=VERSION_3_1_1)
        for n, payload in enumerate(payloads(first, count, size), first)
    ]
