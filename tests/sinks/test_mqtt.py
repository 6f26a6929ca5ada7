"""The MQTT sink: reason codes become outcomes, and a real Mosquitto takes what it sends."""

import asyncio
import json
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import pytest

from collector.clock import Regime
from collector.devices import Devices
from collector.errors import SinkError
from collector.mqtt.connect import ConnectOptions, connect
from collector.mqtt.connector import Connector
from collector.mqtt.packets import Message, Publish, Will
from collector.reading import Reading
from collector.segment import Part, Segment, encode
from collector.sinks.mqtt import MqttSink
from collector.sinks.wire import BATCH_TYPE
from tests.brokers import Mosquitto
from tests.sources.intake import until

Format = Literal["reading", "batch"]


def part(count: int, device: str = "d") -> Part:
    readings = [Reading(1 + n, "meter", device, 1_000_000_000, "synced", {"n": n}) for n in range(count)]
    return Part(Segment(1, "00000000000000aa", 1, count, Regime("b", 0, True), encode(readings)), 0, count)


class FakeSession:
    """Answers publishes with the codes it was given."""

    def __init__(self, codes: list[int | None]) -> None:
        self.codes = codes
        self.sent: list[Message] = []

    async def publish(self, messages: Sequence[Message]) -> list[int | None]:
        self.sent += messages
        return self.codes


READINGS = "edge/{collector}/{device}/readings"


def sink(options: ConnectOptions | None, format: Format = "reading", topic: str = READINGS) -> MqttSink:
    def given() -> ConnectOptions:
        assert options is not None
        return options

    return MqttSink(Connector(given), "box", format, topic, "edge/box/status", Devices())


@pytest.mark.parametrize(
    ("codes", "verdict", "settled", "dead"),
    [
        ([0x00, 0x00, 0x00], "settled", [], []),
        ([0x00, 0x10, 0x00], "settled", [0, 1, 2], []),
        ([0x00, 0x90, 0x00], "settled", [0, 2], [1]),
        ([0x95, 0x99, 0x00], "settled", [2], [0, 1]),
        ([0x00, 0x87, 0x97], "hold", [0], []),
        ([0x97, 0x87, 0x00], "hold", [2], []),
        ([0x80, 0x00, 0x83], "retry", [1], []),
        ([0x00, None, None], "retry", [0], []),
        ([0x97, 0x90, 0x00], "retry", [2], [1]),
        ([0x9A, 0x00, 0x97], "hold", [1], []),
        ([0x9B, 0x9B, 0x9B], "hold", [], []),
        ([0xFE, 0x00, 0x00], "retry", [1, 2], []),
    ],
)
async def test_reason_codes_of_single_readings(
    codes: list[int | None], verdict: str, settled: list[int], dead: list[int]
) -> None:
    made = sink(None)
    made._session = FakeSession(codes)  # type: ignore[assignment]
    outcome = await made.deliver(part(3))
    assert (outcome.verdict, list(outcome.settled), list(outcome.dead)) == (verdict, settled, dead)
    assert bool(outcome.reason) == (verdict != "settled")


@pytest.mark.parametrize(
    ("code", "verdict", "dead"),
    [
        (0x00, "settled", 0),
        (0x10, "settled", 0),
        (0x87, "hold", 0),
        (0x90, "settled", 3),
        (0x95, "too large", 0),
        (0x99, "too large", 0),
        (0x97, "retry", 0),
        (0x9B, "hold", 0),
        (None, "retry", 0),
    ],
)
async def test_reason_codes_of_batches(code: int | None, verdict: str, dead: int) -> None:
    made = sink(None, "batch", "edge/{collector}/readings")
    made._session = FakeSession([code])  # type: ignore[assignment]
    outcome = await made.deliver(part(3))
    assert (outcome.verdict, len(outcome.dead)) == (verdict, dead)


async def test_a_name_becomes_one_topic_level() -> None:
    made = sink(None)
    made._session = session = FakeSession([0])  # type: ignore[assignment]
    await made.deliver(part(1, device="a/b+#"))
    assert session.sent[0].topic == "edge/box/a%2Fb%2B%23/readings"


async def test_not_open_is_retry() -> None:
    assert (await sink(None).deliver(part(1))).verdict == "retry"


async def subscriber(broker: Mosquitto, seen: list[Publish]) -> None:
    session = await connect(ConnectOptions(broker.host, broker.port, "cloud"), seen.extend)
    await session.subscribe([("#", 1)])


async def test_online_readings_offline(broker: Mosquitto) -> None:
    seen: list[Publish] = []
    await subscriber(broker, seen)
    made = sink(ConnectOptions(broker.host, broker.port, "box-01234567-cloud"))
    await made.open()
    assert (await made.deliver(part(100))).verdict == "settled"
    await made.close()
    await until(lambda: len(seen) == 102)
    assert (seen[0].topic, seen[0].payload) == ("edge/box/status", b'{"state":"online"}')
    assert [json.loads(message.payload)["fields"]["n"] for message in seen[1:-1]] == list(range(100))
    assert seen[-1].payload == b'{"state":"offline"}'


async def test_a_batch_is_one_compressed_message(broker: Mosquitto) -> None:
    seen: list[Publish] = []
    await subscriber(broker, seen)
    made = sink(ConnectOptions(broker.host, broker.port, "box"), "batch", "edge/{collector}/readings")
    await made.open()
    await made.deliver(part(100))
    await until(lambda: len(seen) == 2)
    assert (seen[1].topic, seen[1].content_type) == ("edge/box/readings", BATCH_TYPE)
    body = json.loads(zlib.decompress(seen[1].payload))
    assert (body["first_seq"], body["last_seq"], len(body["readings"])) == (1, 100, 100)
    await made.close()


async def test_the_will_speaks_for_a_process_that_died(broker: Mosquitto) -> None:
    seen: list[Publish] = []
    await subscriber(broker, seen)
    will = Will("edge/box/status", b'{"state":"offline"}', qos=1, retain=True)
    made = sink(ConnectOptions(broker.host, broker.port, "box", will=will))
    lost = await made.open()
    assert made._session is not None
    made._session.abort()
    assert isinstance(await lost, SinkError)
    await until(lambda: seen and seen[-1].payload == b'{"state":"offline"}')


async def test_an_access_list_that_says_no_holds(tmp_path: Path) -> None:
    (acl := tmp_path / "acl").write_text("topic write edge/box/status\n")
    with Mosquitto(tmp_path / "broker", config_lines=[f"acl_file {acl}"]) as broker:
        made = sink(ConnectOptions(broker.host, broker.port, "box"))
        for _ in range(5):
            await made.open()
            outcome = await made.deliver(part(3))
            await made.close()
            # Mosquitto closes after a refusal, and a reset may take the PUBACK along.
            if outcome.reason != "connection lost":
                break
        assert (outcome.verdict, outcome.reason) == ("hold", "Not authorized (0x87)")


async def test_a_wrong_password_holds(tmp_path: Path) -> None:
    (passwords := tmp_path / "passwords").write_text("")
    with Mosquitto(tmp_path / "broker", anonymous=False, config_lines=[f"password_file {passwords}"]) as broker:
        made = sink(ConnectOptions(broker.host, broker.port, "box", username="u", password=b"secret"))
        with pytest.raises(SinkError, match=r"Not authorized|Bad User Name") as raised:
            await made.open()
    assert raised.value.hold
    assert "secret" not in str(raised.value)


async def test_a_broker_that_goes_away_leaves_the_rest_to_be_retried(broker: Mosquitto) -> None:
    made = sink(ConnectOptions(broker.host, broker.port, "box"))
    lost = await made.open()
    broker.kill()
    await asyncio.wait([lost])
    assert (await made.deliver(part(3))).verdict == "retry"
    await made.close()


async def test_on_3_1_1_it_delivers_and_says_that_it_cannot_hear_a_refusal(broker: Mosquitto) -> None:
    options = ConnectOptions(broker.host, broker.port, "box")
    made = MqttSink(Connector(lambda: options, "3.1.1"), "box", "reading", READINGS, "edge/box/status", Devices())
    assert made.note == ""
    await made.open()
    assert "looks like one that it took" in made.note
    # More than may be under way at once.
    assert (await made.deliver(part(500))).verdict == "settled"
    await made.close()
    assert made.note == ""
