"""Modbus devices, simulated by pymodbus, polled over pseudo-terminals and TCP."""

import asyncio
import contextlib
import struct
from collections import Counter
from collections.abc import AsyncIterator

import pytest
from pymodbus.framer import FramerType

from collector.config import port as ports
from collector.errors import SourceError
from collector.profiles.modbus import adu
from collector.profiles.payload.registers import RegisterField, RegistersPayload
from collector.profiles.profile import SerialSettings
from collector.reading import Decoded
from collector.sources.bus import Bus, RtuBus, TcpBus
from collector.sources.line import open_line
from collector.sources.modbus import ModbusSource, Slave
from tests.sources.intake import RecordingIntake, until
from tests.sources.modbus_slaves import Cable, floats, rtu_slaves, tcp_slaves

LINE = SerialSettings(baudrate=19200)


def registers(*at: int, max_gap: int = 0, max_registers: int = 60) -> RegistersPayload:
    fields = [RegisterField(name=f"r{one}", register=one, type="float32") for one in at]
    return RegistersPayload(fields=fields, max_gap=max_gap, max_registers=max_registers)


def device(address: int, *at: int, interval: float = 0.05, **keys: int) -> Slave:
    return Slave(f"d{address}", address, registers(*at or (0,), **keys).map(), interval)


def source(place: str, *devices: Slave, timeout: float = 0.1, retries: int = 1) -> ModbusSource:
    async def open_bus() -> Bus:
        bus: RtuBus | TcpBus
        if place.startswith("tcp:"):
            where: ports.Port = ports.parse_tcp(place)
            bus = TcpBus(place, timeout)
        else:
            where = ports.parse(place)
            bus = RtuBus(LINE.character, LINE.baudrate, timeout, 0.0)
        bus.on(await open_line(where, LINE, bus.receive))
        return bus

    return ModbusSource(open_bus, devices, retries)


@contextlib.asynccontextmanager
async def polling(polled: ModbusSource, intake: RecordingIntake) -> AsyncIterator["asyncio.Task[None]"]:
    task = asyncio.create_task(polled.run(intake))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])


def of(intake: RecordingIntake, name: str) -> list[Decoded]:
    return [one for one in intake.taken if one.device == name]


async def test_devices_of_one_bus_are_read_in_turn() -> None:
    intake = RecordingIntake()
    async with (
        rtu_slaves({1: floats([230.5, 1.5]), 2: floats([-2.25])}) as cable,
        polling(source(cable.port, device(1, 0, 2), device(2), timeout=2.0), intake),
    ):
        await until(lambda: len(of(intake, "d1")) >= 3 and len(of(intake, "d2")) >= 3)
    assert of(intake, "d1")[0].fields == {"r0": 230.5, "r2": 1.5}
    assert of(intake, "d2")[0].fields == {"r0": -2.25}
    assert intake.refusals == {} and intake.connections == 1
    assert set(intake.troubles) == {("d1", None), ("d2", None)}


@pytest.mark.fault(43)
async def test_a_dead_slave_costs_the_others_little_and_is_told_by_name() -> None:
    intake = RecordingIntake()
    living = [device(address, interval=0.05) for address in (1, 3, 4)]
    async with (
        rtu_slaves({address: floats([1.0]) for address in (1, 3, 4)}) as cable,
        polling(source(cable.port, living[0], device(2), *living[1:]), intake),
    ):
        await until(lambda: any(what for _, what in intake.troubles))
        before = Counter(one.device for one in intake.taken)
        await asyncio.sleep(1.0)
    assert intake.refusals == {"timeout": 2}, "asked again once, then left alone for a while"
    assert ("d2", "no answer in 0.1 s; asked 2 times") in intake.troubles
    after = Counter(one.device for one in intake.taken)
    assert all(after[name] - before[name] >= 4 for name in ("d1", "d3", "d4"))


@pytest.mark.fault(43)
async def test_a_late_reply_is_never_one_to_a_newer_request() -> None:
    """Both requests have replies of the same length; the first comes after its time-out."""
    intake, cable, asked = RecordingIntake(), Cable(), []

    def reply(value: float) -> bytes:
        return adu.rtu(1, b"\x04\x04" + struct.pack(">f", value))

    async def slave() -> None:
        while True:
            await until(lambda: cable.sent)
            request = adu.request(cable.sent.pop(0))
            asked.append(request.first)
            if len(asked) == 1:
                await asyncio.sleep(0.15)  # the time-out is 0.1 s
                cable.answer(reply(666.0))
            else:
                cable.answer(reply(float(request.first)))

    answering = asyncio.create_task(slave())
    try:
        async with polling(source(cable.port, device(1, 0, 10)), intake):
            await until(lambda: len(intake.taken) >= 3)
    finally:
        answering.cancel()
        cable.close()
    assert asked[:3] == [0, 0, 10], "the same is asked again before anything else"
    assert all(one.fields == {"r0": 0.0, "r10": 10.0} for one in intake.taken)
    assert intake.refusals == {"timeout": 1}


@pytest.mark.fault(43)
async def test_a_spoiled_reply_and_one_of_another_device_are_asked_for_again() -> None:
    intake, cable, asked = RecordingIntake(), Cable(), []
    good = adu.rtu(1, b"\x04\x04" + struct.pack(">f", 7.0))

    async def slave() -> None:
        while True:
            await until(lambda: cable.sent)
            asked.append(cable.sent.pop(0))
            bad = good[:-1] + bytes([good[-1] ^ 1])
            cable.answer([bad, adu.rtu(2, good[1:-2]), b"\0" + good][min(len(asked), 3) - 1])

    answering = asyncio.create_task(slave())
    try:
        async with polling(source(cable.port, device(1), retries=2), intake):
            await until(lambda: intake.taken)
    finally:
        answering.cancel()
        cable.close()
    assert intake.taken[0].fields == {"r0": 7.0}
    assert intake.refusals == {"checksum": 1, "timeout": 1}


@pytest.mark.fault(43)
async def test_registers_that_a_device_lacks_are_left_out() -> None:
    intake = RecordingIntake()
    have = floats([1.0, 2.0]) | floats([3.0], 10)
    async with rtu_slaves({1: have}) as cable, polling(source(cable.port, device(1, 0, 2, 10, 12, max_gap=20)), intake):
        await until(lambda: len(intake.taken) >= 2)
        refused = intake.refusals.copy()
        await until(lambda: len(intake.taken) >= 4)
    assert intake.taken[0].fields == {"r0": 1.0, "r2": 2.0, "r10": 3.0}
    assert set(refused) == {"exception"} and intake.refusals == refused, "found out once"
    assert intake.troubles[-1] == ("d1", None)


async def test_modbus_tcp() -> None:
    intake = RecordingIntake()
    async with tcp_slaves({1: floats([230.5]), 7: floats([50.0], 0x46)}) as port:
        polled = source(f"tcp://127.0.0.1:{port}", device(1), device(7, 0x46), device(9))
        async with polling(polled, intake):
            await until(lambda: len(of(intake, "d1")) >= 3 and len(of(intake, "d7")) >= 3)
            await until(lambda: any(name == "d9" and what for name, what in intake.troubles))
    assert of(intake, "d1")[0].fields == {"r0": 230.5}
    assert of(intake, "d7")[0].fields == {"r70": 50.0}


async def test_rtu_over_tcp() -> None:
    intake = RecordingIntake()
    async with (
        tcp_slaves({1: floats([230.5])}, FramerType.RTU) as port,
        polling(source(f"socket://127.0.0.1:{port}", device(1)), intake),
    ):
        await until(lambda: len(intake.taken) >= 3)
    assert intake.taken[0].fields == {"r0": 230.5}


@pytest.mark.fault(43)
async def test_over_tcp_the_transaction_tells_a_late_reply() -> None:
    intake, answers = RecordingIntake(), []

    async def gateway(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, OSError):
            while True:
                request = await reader.readexactly(12)
                late = adu.tcp(int.from_bytes(request[:2], "big"), 1, b"\x04\x04" + struct.pack(">f", len(answers)))
                answers.append(late)
                if len(answers) > 1:  # one request behind, for ever
                    writer.write(answers[-2] + (late if len(answers) > 3 else b""))

    server = await asyncio.start_server(gateway, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with polling(source(f"tcp://127.0.0.1:{port}", device(1), retries=9), intake):
        await until(lambda: len(intake.taken) >= 2)
    server.close()
    assert [one.fields["r0"] for one in intake.taken[:2]] == [3.0, 4.0]


async def test_what_does_not_speak_modbus_tcp_is_said_to_be_so() -> None:
    async def telnet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"login: please")
        await reader.read()

    server = await asyncio.start_server(telnet, "127.0.0.1", 0)
    place = f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    with pytest.raises(SourceError, match=f"{place}: does not speak Modbus TCP; for RTU over TCP"):
        await source(place, device(1)).run(RecordingIntake())
    server.close()


async def test_paused_it_hands_over_nothing() -> None:
    intake = RecordingIntake()
    async with rtu_slaves({1: floats([1.0])}) as cable:
        polled = source(cable.port, device(1, interval=0.02))
        async with polling(polled, intake):
            await until(lambda: intake.taken)
            polled.pause(True)
            await asyncio.sleep(0.05)
            before = len(intake.taken)
            await asyncio.sleep(0.1)
            assert len(intake.taken) == before
            polled.pause(False)
            await until(lambda: len(intake.taken) > before)
