"""Devices on a serial line that must be asked or woken, over a real pseudo-terminal."""

import asyncio
import contextlib
import os
import time
import tty
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from collector.config.units import Duration
from collector.errors import SourceError
from collector.profiles import builtin_folder, load
from collector.profiles.polling import Polling
from collector.profiles.table import Hex
from collector.sources.polled import PolledSource
from tests.sources.intake import RecordingIntake, until

SDS011 = load("nova-sds011", [builtin_folder()])
FRAME = bytes.fromhex("aac0d4043a0aa1601dab")
QUERY, WAKE, SLEEP, INIT = (Hex(bytes([0x51, one])) for one in range(4))


class Device:
    """The far end of the line: what it is sent, piece by piece, and what it answers to each."""

    def __init__(self, answers: Callable[[bytes], bytes]) -> None:
        self.master, self._slave = os.openpty()
        tty.setraw(self._slave)
        self.port = os.ttyname(self._slave)
        self.heard: list[tuple[float, bytes]] = []
        self._answers = answers
        os.set_blocking(self.master, False)
        asyncio.get_running_loop().add_reader(self.master, self._asked)

    def _asked(self) -> None:
        data = os.read(self.master, 100)
        self.heard.append((time.monotonic(), data))
        self.say(self._answers(data))

    def say(self, data: bytes) -> None:
        if data:
            os.write(self.master, data)

    @property
    def commands(self) -> list[bytes]:
        return [data for _, data in self.heard]

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self.master)
        os.close(self.master)
        os.close(self._slave)


@contextlib.asynccontextmanager
async def polled(
    answers: Callable[[bytes], bytes], interval: float = 0.05, **polling: Any
) -> AsyncIterator[tuple[Device, RecordingIntake, PolledSource]]:
    device, intake = Device(answers), RecordingIntake()
    seconds = {key: Duration(polling.pop(key, 0.0)) for key in ("turnaround", "warm_up")}
    timeout = Duration(polling.pop("timeout", 0.1))
    declared = Polling(**{"requests": [QUERY], "timeout": timeout, **seconds, **polling})
    assert SDS011.serial is not None
    source = PolledSource(device.port, SDS011.serial, SDS011.framer, declared, interval)
    running = asyncio.create_task(source.run(intake))
    try:
        yield device, intake, source
    finally:
        running.cancel()
        await asyncio.wait([running])
        device.close()


def replying(data: bytes) -> bytes:
    return FRAME if data == QUERY else b""


async def test_it_is_asked_in_its_interval_and_told_once_how_to_behave() -> None:
    async with polled(replying, interval=0.1, init=[INIT], turnaround=0.01) as (device, intake, _):
        await until(lambda: len(intake.payloads) >= 4)
    assert device.commands[:5] == [INIT, QUERY, QUERY, QUERY, QUERY]
    times = [at for at, data in device.heard if data == QUERY]
    assert times[3] - times[0] == pytest.approx(0.3, abs=0.08)
    assert intake.payloads[:4] == [FRAME] * 4
    assert set(intake.troubles) == {(None, None)}


async def test_one_that_does_not_answer_is_asked_again_and_then_told_of() -> None:
    silent = True

    def answers(data: bytes) -> bytes:
        return b"" if silent else FRAME

    async with polled(answers, interval=0.3, retries=1, timeout=0.05) as (device, intake, _):
        await until(lambda: intake.troubles)
        assert intake.troubles == [(None, "no answer in 0.05 s; asked 2 times")]
        assert device.commands == [QUERY, QUERY]
        silent = False
        await until(lambda: intake.payloads)
        assert intake.troubles[1] == (None, None)
    assert intake.refusals == {"timeout": 2}


async def test_what_comes_unasked_or_too_late_is_no_answer() -> None:
    late = FRAME[:2] + bytes([1, 0, 0, 0, 0xA1, 0x60, 0x02]) + b"\xab"
    asked = 0

    def answers(data: bytes) -> bytes:
        nonlocal asked
        asked += 1
        if asked == 1:
            asyncio.get_running_loop().call_later(0.15, device.say, late)
            return b""
        return FRAME

    async with polled(answers, interval=0.5, retries=3) as (device, intake, _):
        await until(lambda: intake.payloads)
        device.say(late)
        await until(lambda: len(intake.payloads) > 1)
    assert intake.payloads == [FRAME, FRAME]


async def test_awake_only_for_its_reading_and_not_believed_at_once() -> None:
    """The duty cycle of a dust sensor: what it says while it warms up is passed over."""
    warm = FRAME[:2] + bytes([0xFF, 0xFF, 0xFF, 0xFF, 0xA1, 0x60, 0xFD]) + b"\xab"

    def answers(data: bytes) -> bytes:
        return warm if data == WAKE else replying(data)

    commands = {"wake": [WAKE], "sleep": [SLEEP], "warm_up": 0.1}
    async with polled(answers, interval=0.3, turnaround=0.01, **commands) as (device, intake, _):
        await until(lambda: device.commands.count(SLEEP) == 2)
    assert device.commands[:6] == [WAKE, QUERY, SLEEP] * 2
    assert device.heard[1][0] - device.heard[0][0] >= 0.1
    assert intake.payloads == [FRAME, FRAME]


async def test_asked_more_often_than_it_warms_up_it_stays_awake() -> None:
    commands = {"wake": [WAKE], "sleep": [SLEEP], "warm_up": 0.1, "turnaround": 0.01}
    async with polled(replying, interval=0.05, **commands) as (device, intake, _):
        await until(lambda: len(intake.payloads) >= 3)
    assert device.commands[:4] == [WAKE, QUERY, QUERY, QUERY]
    assert device.heard[1][0] - device.heard[0][0] >= 0.1
    assert intake.troubles[:2] == [
        (None, "warming up: what it says in the first 0.1 s is not believed"),
        (None, None),
    ]


async def test_one_that_speaks_by_itself_once_awake_needs_no_request() -> None:
    def answers(data: bytes) -> bytes:
        if data == WAKE:
            asyncio.get_running_loop().call_later(0.1, device.say, FRAME)
        return b""

    commands = {"wake": [WAKE], "sleep": [SLEEP], "warm_up": 0.05, "requests": []}
    async with polled(answers, interval=0.3, turnaround=0.01, timeout=0.5, **commands) as (device, intake, _):
        await until(lambda: SLEEP in device.commands)
    assert device.commands[:2] == [WAKE, SLEEP]
    assert intake.payloads == [FRAME]


async def test_a_spoiled_answer_is_counted_and_asked_for_again() -> None:
    answers = iter([FRAME[:-2] + b"\x00\xab", FRAME])
    async with polled(lambda data: next(answers, b""), interval=1.0) as (_, intake, _source):
        await until(lambda: intake.payloads)
    assert intake.refusals == {"checksum": 1, "timeout": 1}


async def test_paused_it_asks_nothing() -> None:
    async with polled(replying, interval=0.02) as (device, intake, source):
        await until(lambda: intake.payloads)
        source.pause(True)
        await asyncio.sleep(0.05)
        before = len(device.commands)
        await asyncio.sleep(0.1)
        assert len(device.commands) == before
        source.pause(False)
        await until(lambda: len(device.commands) > before)


async def test_unplugged_it_is_lost() -> None:
    device, intake = Device(replying), RecordingIntake()
    polling = Polling(requests=[QUERY], timeout=Duration(0.05))
    assert SDS011.serial is not None
    running = asyncio.create_task(PolledSource(device.port, SDS011.serial, SDS011.framer, polling, 0.05).run(intake))
    await until(lambda: intake.payloads)
    device.close()
    with pytest.raises(SourceError, match=f"{device.port}: unplugged or hung up"):
        await running
