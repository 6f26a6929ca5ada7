"""What every source promises to the wiring, whatever it reads."""

import asyncio
import contextlib
import os
import tty
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from collector.contracts import Intake, Source
from collector.errors import SourceError
from collector.mqtt.connect import ConnectOptions, connect
from collector.mqtt.connector import Connector, Version
from collector.mqtt.packets import VERSION_3_1_1, VERSION_5, Message
from collector.profiles.framing.delimiter import DelimiterFraming
from collector.profiles.payload.registers import RegisterField, RegistersPayload
from collector.profiles.profile import SerialSettings
from collector.reading import Decoded, Frame
from collector.sources.bus import RtuBus
from collector.sources.host import HostSource
from collector.sources.line import open_line
from collector.sources.modbus import ModbusSource, Slave
from collector.sources.mqtt import MqttSource
from collector.sources.serial import SerialSource
from tests.brokers import Mosquitto, mosquitto_binary
from tests.mqtt.websocket_gateway import websocket_gateway
from tests.sources.intake import until
from tests.sources.modbus_slaves import Cable, floats, rtu_slaves


class Recording(Intake):
    def __init__(self) -> None:
        self.connections = 0
        self.payloads: list[bytes] = []
        self.tokens: list[int] = []
        self.decoded: list[Decoded] = []
        self.refusals = 0

    @property
    def arrived(self) -> int:
        return len(self.payloads) + len(self.decoded)

    def session(self, present: bool) -> None:
        pass

    def connected(self) -> None:
        self.connections += 1

    def frames(self, frames: list[Frame]) -> None:
        self.payloads += [frame.payload for frame in frames]
        self.tokens += [frame.token for frame in frames if frame.token]

    def readings(self, decoded: list[Decoded]) -> None:
        self.decoded += decoded

    def refused(self, reason: str, count: int, detail: str, tokens: Sequence[int] = ()) -> None:
        self.refusals += count

    def asking(self) -> bool:
        return False

    def received(self, count: int, qos: int) -> None:
        pass


class Device:
    """The far end of a source: what it sends, and how it goes away. `place` is what an error must name."""

    place = ""
    can_be_lost = True
    sends = True
    """What it sends is for the test to say."""
    source: Source

    async def send(self, payloads: Sequence[bytes]) -> None:
        raise NotImplementedError

    async def lose(self) -> None:
        raise NotImplementedError


class SerialDevice(Device):
    def __init__(self) -> None:
        self._master, slave = os.openpty()
        tty.setraw(slave)
        self.place = os.ttyname(slave)
        os.close(slave)
        framing = DelimiterFraming(delimiter="\n", max_length=20)
        self.source = SerialSource(self.place, SerialSettings(baudrate=9600), lambda: framing.framer(None))

    async def send(self, payloads: Sequence[bytes]) -> None:
        os.write(self._master, b"".join(payload + b"\n" for payload in payloads))

    async def lose(self) -> None:
        os.close(self._master)
        self._master = -1

    def close(self) -> None:
        if self._master >= 0:
            os.close(self._master)


class ModbusBus(Device):
    sends = False

    def __init__(self, cable: Cable) -> None:
        self._cable = cable
        self.place = cable.port
        registers = RegistersPayload(fields=[RegisterField(name="voltage", register=0, type="float32")]).map()
        settings = SerialSettings(baudrate=9600)

        async def open_bus() -> RtuBus:
            bus = RtuBus(settings.character, settings.baudrate, 1.0, 0.0)
            bus.on(await open_line(self.place, settings, bus.receive))
            return bus

        self.source = ModbusSource(open_bus, [Slave("meter", 1, registers, 0.02)], 2)

    async def lose(self) -> None:
        self._cable.close()


class HostDevice(Device):
    can_be_lost = False
    sends = False

    def __init__(self) -> None:
        self.source = HostSource(0.02)


class MqttDevice(Device):
    def __init__(self, broker: Mosquitto, options: ConnectOptions) -> None:
        self._broker = broker
        self.place = f"{options.host}:{options.port}"
        version: Version = "5" if options.version == VERSION_5 else "3.1.1"
        self.source = MqttSource(Connector(lambda: options, version), ["t"], 1, window=50)

    async def send(self, payloads: Sequence[bytes]) -> None:
        sender = await connect(ConnectOptions(self._broker.host, self._broker.port, "sender"), lambda messages: None)
        await sender.publish([Message("t", payload) for payload in payloads])
        await sender.close()

    async def lose(self) -> None:
        self._broker.kill()


@contextlib.asynccontextmanager
async def device(kind: str, directory: Path) -> AsyncIterator[Device]:
    if kind == "serial":
        line = SerialDevice()
        try:
            yield line
        finally:
            line.close()
    elif kind == "modbus":
        async with rtu_slaves({1: floats([230.5])}) as cable:
            yield ModbusBus(cable)
    elif kind == "host":
        yield HostDevice()
    elif mosquitto_binary() is None:
        pytest.skip("mosquitto is not installed")
    else:
        with Mosquitto(directory / "broker") as broker:
            options = ConnectOptions(
                broker.host,
                broker.port,
                "source",
                clean_start=False,
                session_expiry=600,
                receive_maximum=50,
                version=VERSION_3_1_1 if kind == "mqtt 3.1.1" else VERSION_5,
            )
            if kind != "mqtt ws":
                yield MqttDevice(broker, options)
                return
            async with websocket_gateway(broker.port) as port:
                yield MqttDevice(broker, replace(options, port=port, path="/mqtt"))


@pytest.fixture(params=["serial", "modbus", "host", "mqtt 5", "mqtt 3.1.1", "mqtt ws"])
async def far(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Device]:
    async with device(request.param, tmp_path) as found:
        yield found


@contextlib.asynccontextmanager
async def running(source: Source, intake: Recording) -> AsyncIterator["asyncio.Task[None]"]:
    before = intake.connections
    task = asyncio.create_task(source.run(intake))
    try:
        await until(lambda: intake.connections > before or task.done())
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def numbered(first: int, count: int) -> list[bytes]:
    return [b"%d" % number for number in range(first, first + count)]


async def test_it_says_when_it_is_connected_and_hands_over_in_order(far: Device) -> None:
    intake = Recording()
    async with running(far.source, intake):
        assert intake.connections == 1
        if far.sends:
            await far.send(numbered(0, 20))
        await until(lambda: intake.arrived >= 20)
    if far.sends:
        assert intake.payloads == numbered(0, 20)
    assert intake.refusals == 0


async def test_acknowledging_does_no_harm_at_any_time(far: Device) -> None:
    intake = Recording()
    far.source.acknowledge([1, 2])
    async with running(far.source, intake):
        far.source.acknowledge([])
        for round_ in range(5):
            if far.sends:
                await far.send(numbered(20 * round_, 20))
            await until(lambda round_=round_: intake.arrived >= 20 * (round_ + 1), 10)
            tokens, intake.tokens = intake.tokens, []
            far.source.acknowledge(tokens)
            far.source.acknowledge(tokens)
    far.source.acknowledge([1, 2])
    if far.sends:
        assert intake.payloads == numbered(0, 100)


async def test_paused_it_hands_over_nothing_and_then_goes_on_without_a_loss(far: Device) -> None:
    intake = Recording()
    async with running(far.source, intake):
        far.source.pause(True)
        await asyncio.sleep(0.05)
        before = intake.arrived
        if far.sends:
            await far.send(numbered(0, 20))
        await asyncio.sleep(0.2)
        assert intake.arrived == before
        far.source.pause(False)
        await until(lambda: intake.arrived >= before + 20)
    if far.sends:
        assert intake.payloads == numbered(0, 20)


async def test_paused_before_it_runs_it_begins_paused(far: Device) -> None:
    intake = Recording()
    far.source.pause(True)
    async with running(far.source, intake):
        if far.sends:
            await far.send(numbered(0, 5))
        await asyncio.sleep(0.2)
        assert intake.arrived == 0
        far.source.pause(False)
        await until(lambda: intake.arrived >= 5)


async def test_lost_it_raises_one_line_that_names_the_place(far: Device) -> None:
    if not far.can_be_lost:
        pytest.skip("the host is never lost")
    async with running(far.source, Recording()) as task:
        await far.lose()
        async with asyncio.timeout(5):
            await asyncio.wait([task])
    lost = task.exception()
    assert isinstance(lost, SourceError)
    assert far.place in str(lost) and "\n" not in str(lost)
    with pytest.raises(SourceError) as again:
        await far.source.run(Recording())
    assert far.place in str(again.value) and "\n" not in str(again.value)


async def test_cancelled_it_closes_what_it_opened_and_can_run_again(far: Device) -> None:
    intake = Recording()
    # What the loop and the modules open with the first connection is not the source's.
    async with running(far.source, intake):
        pass
    await asyncio.sleep(0.05)
    before = descriptors()
    for _ in range(3):
        async with running(far.source, intake) as task:
            assert not task.done()
        assert task.cancelled()
    await until(lambda: descriptors() <= before)
    assert intake.connections == 4
    seen = intake.arrived
    async with running(far.source, intake):
        if far.sends:
            await far.send(numbered(0, 5))
        await until(lambda: intake.arrived >= seen + 5)


async def test_what_was_not_acknowledged_comes_again_where_the_far_end_remembers(far: Device) -> None:
    if not far.source.window:
        pytest.skip("nothing is acknowledged here")
    intake, later = Recording(), Recording()
    async with running(far.source, intake):
        await far.send(numbered(0, 5))
        await until(lambda: intake.arrived == 5)
        far.source.acknowledge(intake.tokens[:2])
        await asyncio.sleep(0.1)
    async with running(far.source, later):
        await until(lambda: later.arrived == 3)
    assert later.payloads == numbered(2, 3)
    assert later.tokens == intake.tokens[2:]
