"""What stands beside the readings at a real Mosquitto: descriptions, availability, Home Assistant's discovery."""

import asyncio
import contextlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from collector.devices import Devices, SourceDevices
from collector.mqtt.connect import ConnectOptions, connect
from collector.mqtt.connector import Connector
from collector.mqtt.packets import Connack, Message, Publish
from collector.mqtt.session import Session
from collector.reading import Decoded
from collector.sinks import announcer
from collector.sinks.announcer import Announcer, Discovery
from collector.sinks.mqtt import MqttSink
from tests.brokers import Mosquitto
from tests.sinks.test_mqtt import READINGS, part
from tests.sources.intake import until

AIR = "homeassistant/device/box_air/config"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(announcer, "BREATH", 0.001)
    monkeypatch.setattr(announcer, "LOOK", 0.02)
    monkeypatch.setattr(announcer, "COURTESY", 0.05)


class Air:
    """A register with one source."""

    def __init__(self, interval: float = 10.0) -> None:
        self.register = Devices()
        self.part = SourceDevices(
            self.register, "serial", "nova-sds011", "SDS011", interval, lambda one: {"pm10": "ug/m3"}
        )
        self.part.connected(True)
        self.speaks("air")

    def speaks(self, device: str) -> None:
        self.part.seen(device, Decoded(None, {"pm10": 26.1}))


def sink(broker: Mosquitto, air: Air, discovery: Discovery | None = None) -> MqttSink:
    options = ConnectOptions(broker.host, broker.port, "box")
    return MqttSink(Connector(lambda: options), "box", "reading", READINGS, "edge/box/status", air.register, discovery)


async def listener(broker: Mosquitto, heard: list[Publish]) -> Callable[[], dict[str, Any]]:
    session = await connect(ConnectOptions(broker.host, broker.port, "somebody"), heard.extend)
    await session.subscribe([("edge/#", 0), ("homeassistant/device/#", 0)])
    return lambda: {message.topic: json.loads(message.payload) for message in heard}


async def test_descriptions_are_retained_for_everybody(broker: Mosquitto) -> None:
    made = sink(broker, air := Air())
    await made.open()
    seen = await listener(broker, [])
    await until(lambda: "edge/box/air/description" in seen())
    assert seen()["edge/box/air/description"] == {
        "state": "online",
        "collector": "box",
        "device": "air",
        "source": "serial",
        "profile": "nova-sds011",
        "model": "SDS011",
        "units": {"pm10": "ug/m3"},
    }
    air.part.connected(False)
    await until(lambda: seen()["edge/box/air/description"]["state"] == "offline")
    air.speaks("a/new one")
    await until(lambda: "edge/box/a%2Fnew one/description" in seen())
    assert not any(topic.startswith("homeassistant/") for topic in seen())
    await made.close()


async def test_home_assistant_is_told_on_request_and_again_when_it_starts(broker: Mosquitto) -> None:
    heard: list[Publish] = []
    made = sink(broker, Air(), Discovery("homeassistant", None))
    await made.open()
    seen = await listener(broker, heard)
    await until(lambda: AIR in seen())
    assert seen()[AIR]["components"]["pm10"]["expire_after"] == 30
    # Home Assistant lets its values go at a restart and says so.
    times = sum(message.topic == AIR for message in heard)
    home = await connect(ConnectOptions(broker.host, broker.port, "home"), lambda messages: None)
    await home.publish([Message("homeassistant/status", b"offline"), Message("homeassistant/status", b"online")])
    await until(lambda: sum(message.topic == AIR for message in heard) > times)
    topics = [message.topic for message in heard]
    assert "edge/box/air/description" in topics[: topics.index(AIR)]
    await made.close()


async def test_expire_after_is_the_configurations_to_say(broker: Mosquitto) -> None:
    made = sink(broker, Air(), Discovery("ha", 600.0))
    await made.open()
    session = await connect(ConnectOptions(broker.host, broker.port, "c"), (heard := list[Publish]()).extend)
    await session.subscribe([("ha/#", 0)])
    await until(lambda: heard)
    assert json.loads(heard[0].payload)["components"]["pm10"]["expire_after"] == 600
    await made.close()


async def test_who_may_publish_readings_only_delivers_them_all_the_same(tmp_path: Path) -> None:
    (acl := tmp_path / "acl").write_text("topic write edge/box/status\ntopic write edge/box/+/readings\n")
    with Mosquitto(tmp_path / "broker", config_lines=[f"acl_file {acl}"]) as broker:
        made = sink(broker, Air(), Discovery("homeassistant", None))
        # Two kinds, each of which Mosquitto may answer with the end of the connection, twice without a word.
        for _ in range(5):
            lost = await made.open()
            await asyncio.sleep(0.2)
            if not lost.done():
                break
            await made.close()
        assert (await made.deliver(part(10))).verdict == "settled"
        assert not lost.done()
        assert made.note == (
            "the broker takes no retained description, discovery messages from us; readings are not concerned"
        )
        await made.close()


class Silent:
    """A session that takes `taken` messages and ends before it answers the next."""

    connack = Connack(session_present=False, reason_code=0)

    def __init__(self, taken: int) -> None:
        self.taken = taken
        self.sent: list[str] = []

    async def publish(self, messages: Sequence[Message]) -> list[int | None]:
        self.sent += [message.topic.rpartition("/")[2] for message in messages]
        codes = [0 if at < self.taken else None for at in range(len(messages))]
        self.taken -= len(messages)
        return codes


async def test_a_connection_that_is_lost_once_is_no_refusal() -> None:
    air = Air()
    told = Announcer(air.register, "box", "edge/box/status", lambda source, device: f"edge/box/{device}/readings")
    for taken, sent in [(1, True), (9, True), (1, True), (1, True), (9, False)]:
        session = Silent(taken)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.05):
                await told.run(cast(Session, session))
        assert ("description" in session.sent) is sent
    assert "description" in told.note
