"""Every case of every profile whose device must be asked: over a real line, and only after it was asked."""

import asyncio
import os
import tty
from pathlib import Path

import pytest

from collector import assembly
from collector.check import load_checked
from collector.clock import SystemClock
from collector.devices import Devices
from collector.profiles import available, builtin_folder, load
from collector.profiles.cases import cases
from collector.reading import Reading
from tests.sources.intake import until

FOLDERS = [builtin_folder()]
ASKED = [id for id in available(FOLDERS) if (polling := load(id, FOLDERS).polling) is not None and polling.requests]


@pytest.mark.parametrize(
    ("id", "name"),
    [(id, name) for id in ASKED for name, case in cases(available(FOLDERS)[id]).items() if case.readings],
)
async def test_every_case_over_a_line(id: str, name: str, tmp_path: Path) -> None:
    polling, case = load(id, FOLDERS).polling, cases(available(FOLDERS)[id])[name]
    assert polling is not None
    device, line = os.openpty()
    tty.setraw(line)
    asked: list[bytes] = []

    def answer() -> None:
        asked.append(os.read(device, 100))
        os.write(device, b"".join(case.reads()))

    asyncio.get_running_loop().add_reader(device, answer)
    configuration = tmp_path / "collector.toml"
    configuration.write_text(
        f'[sources.air]\ntype = "serial"\nport = "{os.ttyname(line)}"\nprofile = "{id}"\n'
        'interval = "100ms"\nwarm_up = "0s"\n'
    )
    [intake] = assembly.sources(load_checked(configuration), None, SystemClock(), Devices())
    running = asyncio.create_task(intake.run())
    try:
        await until(lambda: intake.latest)
    finally:
        running.cancel()
        await asyncio.wait([running])
        asyncio.get_running_loop().remove_reader(device)
        os.close(device)
        os.close(line)
    latest = intake.latest
    assert isinstance(latest, Reading)
    expected = case.readings[0]
    assert latest.fields == expected.fields | dict.fromkeys(expected.null)
    assert asked[0] == polling.requests[0]
