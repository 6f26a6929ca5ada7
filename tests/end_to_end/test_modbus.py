"""Every case of every Modbus profile on the way from a real line to a reading: pymodbus holds the case's registers."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from pymodbus.datastore import ModbusServerContext, ModbusSlaveContext, ModbusSparseDataBlock
from pymodbus.framer import FramerType
from pymodbus.server import ModbusSerialServer

from collector import assembly
from collector.check import load_checked
from collector.clock import SystemClock
from collector.devices import Devices
from collector.profiles import available, builtin_folder, load
from collector.profiles.cases import Case, cases
from collector.profiles.modbus import adu, pdu
from collector.profiles.profile import Profile
from collector.reading import Reading
from tests.sources.intake import until
from tests.sources.modbus_slaves import Cable

FOLDERS = [builtin_folder()]
PROFILES = [id for id in available(FOLDERS) if load(id, FOLDERS).registers is not None]


def slave(profile: Profile, case: Case) -> ModbusSlaveContext:
    """A device whose registers hold what the case's reply does."""
    assert profile.registers is not None
    [frame] = profile.framer().feed(b"".join(case.reads()))
    function, data = pdu.registers(adu.opened(frame).pdu)
    if case.request is not None:
        asked = adu.request(case.request)
    else:
        asked = next(one for one in profile.registers.requests() if one[0] == function and 2 * one[2] == len(data))
    # pymodbus counts registers from 1.
    words = {asked.first + 1 + at: int.from_bytes(data[2 * at : 2 * at + 2], "big") for at in range(asked.quantity)}
    empty = ModbusSparseDataBlock({65535: 0})
    block = ModbusSparseDataBlock(words)
    return ModbusSlaveContext(ir=block if function == 4 else empty, hr=block if function == 3 else empty)


@pytest.mark.parametrize("id", PROFILES)
async def test_every_case_over_a_line(id: str, tmp_path: Path) -> None:
    profile = load(id, FOLDERS)
    found = {name: case for name, case in cases(available(FOLDERS)[id]).items() if case.readings}
    addresses = dict(enumerate(found, start=1))
    devices = [
        f'{{ address = {at}, profile = "{id}", name = "{name}", interval = "200ms", '
        f"fields = {list(found[name].readings[0].fields)} }}"
        for at, name in addresses.items()
    ]
    cable = Cable()
    slaves = {at: slave(profile, found[name]) for at, name in addresses.items()}
    server = ModbusSerialServer(
        ModbusServerContext(slaves=slaves, single=False), framer=FramerType.RTU, port=cable.far, baudrate=115200
    )
    configuration = tmp_path / "collector.toml"
    configuration.write_text(
        f'[sources.bus]\ntype = "modbus"\nport = "{cable.port}"\nbaudrate = 115200\n'
        f"devices = [{', '.join(devices)}]\n[status]\n"
    )
    [intake] = assembly.sources(load_checked(configuration), None, SystemClock(), Devices())
    readings: dict[str, Reading] = {}

    def keep(taken: list[Reading], *_: Any) -> None:
        readings.update((one.device, one) for one in taken)

    intake._append = keep  # type: ignore[method-assign]
    await server.serve_forever(background=True)
    polling = asyncio.create_task(intake.run())
    try:
        await until(lambda: readings.keys() == found.keys(), 10)
    finally:
        polling.cancel()
        await asyncio.wait([polling])
        await server.shutdown()
        cable.close()
    for name, case in found.items():
        assert readings[name].fields == case.readings[0].fields, name
        assert (readings[name].suspect or []) == case.readings[0].suspect, name
    assert intake.invalid == {} and set(intake.troubles.values()) == {None}
