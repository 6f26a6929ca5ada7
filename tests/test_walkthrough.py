"""One dust sensor frame from the wire to the cloud, in the order in which to read the code.

The frame is the worked example of Nova Fitness' "Laser Dust Sensor Control Protocol V1.3".
"""

import asyncio
import json
import os
import pty
from pathlib import Path

import pytest

from collector.backoff import Backoff
from collector.clock import SystemClock
from collector.config.model import SpoolSection
from collector.delivery import SinkDelivery
from collector.devices import Devices
from collector.intake import SourceIntake
from collector.mqtt.connect import ConnectOptions, connect
from collector.mqtt.connector import Connector
from collector.mqtt.packets import Publish
from collector.profiles import builtin_folder, load
from collector.reading import Decoded
from collector.sinks.mqtt import MqttSink
from collector.sources.serial import SerialSource
from collector.spool.spool import Spool
from tests.brokers import Mosquitto
from tests.sources.intake import until

FRAME = bytes.fromhex("aac0d4043a0aa1601dab")


async def test_from_wire_to_cloud(broker: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("collector.spool.spool.journal_directory", lambda data_dir: (tmp_path, True))

    # A profile says how bytes become frames, and frames readings (collector/profiles, firmware_profiles).
    profile = load("nova-sds011", [builtin_folder()])
    framer = profile.framer()
    assert framer.feed(b"noise" + FRAME[:4]) == []
    assert framer.feed(FRAME[4:]) == [FRAME]
    assert profile.decode(FRAME) == [Decoded("0xA160", {"pm2_5": 123.6, "pm10": 261.8})]
    assert profile.serial is not None

    # The spool gives readings their identity and keeps them until every sink is done (collector/spool).
    clock = SystemClock()
    safe: list[int] = []
    spool = await Spool.open(
        SpoolSection(),
        tmp_path / "data",
        clock,
        sinks=["cloud"],
        windows={},
        on_safe=safe.append,
        on_held_back=lambda crowded: None,
    )
    epoch = spool.tail.state.epoch

    # A source reads a device (collector/sources); the wiring has it decoded and spooled (collector/intake).
    device, line = pty.openpty()
    source = SerialSource(os.ttyname(line), profile.serial, profile.framer)
    backoff = Backoff(0.1, 1.0, now=clock.monotonic)
    intake = SourceIntake("air", source, profile, lambda identity, topic: "air", spool, clock, backoff)
    reading = asyncio.create_task(intake.run())
    await until(lambda: intake.state == "connected")

    # A sink delivers (collector/sinks); the wiring asks the spool for segments and settles them (collector/delivery).
    options = ConnectOptions(broker.host, broker.port, "box-01234567-cloud")
    topic = "edge/{collector}/{device}/readings"
    sink = MqttSink(Connector(lambda: options), "box", "reading", topic, "edge/box/status", Devices())
    delivery = SinkDelivery("cloud", sink, spool, backoff)
    delivering = asyncio.create_task(delivery.run())
    await until(lambda: delivery.state == "connected")

    # Somebody in the cloud listens. Now the sensor speaks.
    heard: list[Publish] = []
    cloud = await connect(ConnectOptions(broker.host, broker.port, "listener"), heard.extend)
    await cloud.subscribe([("edge/box/+/readings", 1)])
    os.write(device, FRAME)
    await until(lambda: heard)

    message = json.loads(heard[0].payload)
    assert heard[0].topic == "edge/box/air/readings"
    assert message["id"] == f"box/{epoch}/1"
    assert (message["source"], message["device"]) == ("air", "air")
    assert message["fields"] == {"pm2_5": 123.6, "pm10": 261.8}

    # The broker's acknowledgement settled it: safe, the books balance, and the disk was never needed.
    await until(lambda: safe)
    books = spool.tail.state.sinks["cloud"]
    assert (books.received, books.delivered, books.pending) == (1, 1, 0)
    assert spool.commits.seconds.count == 0

    for task in (reading, delivering):
        task.cancel()
    await asyncio.wait([reading, delivering])
    await cloud.close()
    await spool.close()
    os.close(device)
    os.close(line)
