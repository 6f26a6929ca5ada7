"""Every profile's captures over the wire they are for: a pseudo-terminal, or a real Mosquitto."""

import asyncio
import os
import tty
from collections.abc import Iterable
from pathlib import Path

from collector.config import port
from collector.errors import FrameError
from collector.mqtt.connect import ConnectOptions, connect
from collector.mqtt.connector import Connector
from collector.mqtt.packets import Message
from collector.profiles import Profile, available, builtin_folder, load
from collector.profiles.cases import Case, cases
from collector.profiles.framing.delimiter import DelimiterFraming
from collector.profiles.framing.modbus import ModbusFraming
from collector.reading import Decoded, Frame
from collector.sources.mqtt import MqttSource
from collector.sources.serial import SerialSource
from tests.brokers import Mosquitto
from tests.sources.intake import RecordingIntake, until

FOLDERS = [builtin_folder()]
PROFILES = {id: load(id, FOLDERS) for id in available(FOLDERS)}
CASES = {id: list(cases(folder).values()) for id, folder in available(FOLDERS).items()}
PUSHED = [
    id for id, one in PROFILES.items() if one.cuts_a_stream and not isinstance(one.declaration.framing, ModbusFraming)
]
MESSAGES = [id for id, one in PROFILES.items() if not one.cuts_a_stream]


class Wire(RecordingIntake):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Frame] = []

    def session(self, present: bool) -> None:
        pass

    def frames(self, frames: list[Frame]) -> None:
        self.seen += frames

    def received(self, count: int, qos: int) -> None:
        pass


def decoded(profile: Profile, frames: Iterable[Frame]) -> list[Decoded]:
    found: list[Decoded] = []
    for frame in frames:
        try:
            found += profile.decode(frame.payload, frame.topic)
        except FrameError:
            continue
    return found


def expected(case: Case) -> list[tuple[str | None, dict[str, object]]]:
    return [(one.device, one.fields | dict.fromkeys(one.null)) for one in case.readings]


async def test_serial() -> None:
    for id in PUSHED:
        profile = PROFILES[id]
        ends_lines = b"\n" if isinstance(profile.declaration.framing, DelimiterFraming) else b""
        for case in CASES[id]:
            if not case.readings or case.options.said():
                continue
            intake, fresh = Wire(), profile.fresh()
            master, slave = os.openpty()
            tty.setraw(slave)
            assert profile.serial is not None
            source = SerialSource(port.parse(os.ttyname(slave)), profile.serial, profile.framer)
            task = asyncio.create_task(source.run(intake))
            try:
                await until(lambda: intake.connections)  # noqa: B023
                for read in case.reads():
                    os.write(master, read)
                os.write(master, ends_lines)
                whole = sum(bool(decoded(profile.fresh(), [frame])) for frame in frames_of(profile, case))
                await until(lambda: len([one for one in intake.seen if decoded(profile, [one])]) >= whole)  # noqa: B023
                assert [(one.device, one.fields) for one in decoded(fresh, intake.seen)] == expected(case), id
            finally:
                task.cancel()
                await asyncio.wait([task])
                os.close(slave)
                os.close(master)


def frames_of(profile: Profile, case: Case) -> list[Frame]:
    framer = profile.framer()
    found = [frame for read in case.reads() for frame in framer.feed(read)] + framer.end()
    return [Frame(one) for one in found]


async def test_mqtt(tmp_path: Path) -> None:
    with Mosquitto(tmp_path) as broker:
        for id in MESSAGES:
            tried = [one for one in CASES[id] if one.readings and not one.options.said()]
            intake = Wire()
            source = MqttSource(Connector(lambda: options(broker, "in"), "auto"), ["#"], 1, window=100)
            task = asyncio.create_task(source.run(intake))
            try:
                await until(lambda: intake.connections)  # noqa: B023
                session = await connect(options(broker, "out"), lambda messages: None)
                await session.publish([Message(one.topic or "node", read) for one in tried for read in one.reads()])
                total = sum(len(case.reads()) for case in tried)
                await until(lambda: len(intake.seen) == total)  # noqa: B023
                await session.close()
                at = 0
                for case in tried:
                    frames = intake.seen[at : at + len(case.reads())]
                    at += len(frames)
                    found = decoded(PROFILES[id].fresh(), frames)
                    assert [(one.device, one.fields) for one in found] == expected(case), id
            finally:
                task.cancel()
                await asyncio.wait([task])


def options(broker: Mosquitto, name: str) -> ConnectOptions:
    return ConnectOptions(host=broker.host, port=broker.port, client_id=f"box-{name}", clean_start=True)
