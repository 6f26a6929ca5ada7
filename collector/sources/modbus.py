"""Modbus devices on one bus, asked in turn: each in its own interval, and none at the cost of the others."""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from collector.contracts import Intake
from collector.errors import FrameError
from collector.profiles.modbus.pdu import ILLEGAL_ADDRESS, NOT_NOW, Refusal, Request
from collector.profiles.payload.registers import RegisterMap
from collector.reading import Decoded
from collector.sources.bus import Bus
from collector.sources.schedule import Schedule


@dataclass
class Slave:
    """One slave, and how it is read."""

    name: str
    address: int
    registers: RegisterMap
    interval: float


@dataclass
class _Poll:
    """What has been asked of one device, and what is still to be."""

    device: Slave
    plan: list[Request]
    """All that it has answered for so far: smaller than the profile's where it lacks registers."""
    left: deque[Request] = field(default_factory=deque)
    fields: dict[str, Any] = field(default_factory=dict)
    suspect: list[str] = field(default_factory=list)
    attempts: int = 0
    """To get an answer to the request that is the next."""

    def begin(self) -> None:
        self.left, self.fields, self.suspect, self.attempts = deque(self.plan), {}, [], 0

    def take(self, request: Request, registers: bytes) -> None:
        decoded = self.device.registers.read(request, registers)
        self.fields |= decoded.fields
        self.suspect += decoded.suspect or ()
        self.left.popleft()
        self.attempts = 0


class ModbusSource:
    """What a device says cannot be re-sent, so nothing is acknowledged."""

    window = 0

    def __init__(self, open_bus: Callable[[], Awaitable[Bus]], devices: Sequence[Slave], retries: int) -> None:
        self._open_bus = open_bus
        self._devices = devices
        self._retries = retries
        self._paused = False

    def acknowledge(self, tokens: Sequence[int]) -> None:
        pass

    def pause(self, paused: bool) -> None:
        self._paused = paused

    async def run(self, intake: Intake) -> None:
        """Raises SourceError when the line cannot be opened or is lost; a device that does not answer is no loss."""
        bus = await self._open_bus()
        try:
            intake.connected()
            await self._poll(bus, intake)
        finally:
            bus.close()

    async def _poll(self, bus: Bus, intake: Intake) -> None:
        polls = [_Poll(device, list(device.registers.requests)) for device in self._devices]
        schedule = Schedule([device.interval for device in self._devices], time.monotonic())
        while True:
            place, due = schedule.next()
            while (rest := due - time.monotonic()) > 0:
                await asyncio.wait((bus.lost,), timeout=rest)
                if bus.lost.done():
                    await bus.lost
            if self._paused:
                schedule.answered(place, time.monotonic())
                continue
            await self._ask(bus, intake, schedule, place, polls[place])

    async def _ask(self, bus: Bus, intake: Intake, schedule: Schedule, place: int, poll: _Poll) -> None:
        """One device's turn: its requests one after the other, until all are answered or one is not."""
        if not poll.left:
            poll.begin()
        trouble = None
        while poll.left:
            request = poll.left[0]
            try:
                registers = await bus.ask(poll.device.address, request)
            except FrameError as error:
                intake.refused(error.reason, 1, f"{poll.device.name}: {request}: {error.detail}")
                if isinstance(error, Refusal) and error.code not in NOT_NOW:
                    # That is an answer, too: the rest is asked for.
                    trouble = _take_refusal(poll, request, error)
                    continue
                poll.attempts += 1
                rest = bus.guard if error.reason == "timeout" else 0.0
                if poll.attempts <= self._retries and not schedule.silent(place):
                    # The same once more: should the first answer come even later, it is one to this question.
                    schedule.again(place, time.monotonic() + rest)
                else:
                    self._hand_in(intake, poll)
                    poll.left.clear()
                    intake.trouble(poll.device.name, f"{error.detail}; asked {poll.attempts} times")
                    schedule.failed(place, time.monotonic() + rest)
                return
            poll.take(request, registers)
        self._hand_in(intake, poll)
        intake.trouble(poll.device.name, trouble)
        if poll.plan:
            schedule.answered(place, time.monotonic())
        else:  # it may be another device tomorrow
            poll.plan = list(poll.device.registers.requests)
            schedule.failed(place, time.monotonic())

    def _hand_in(self, intake: Intake, poll: _Poll) -> None:
        if poll.fields and not self._paused:
            intake.readings([Decoded(poll.device.name, poll.fields, None, poll.suspect or None)])
        poll.fields = {}


def _take_refusal(poll: _Poll, request: Request, refusal: Refusal) -> str | None:
    """Registers that the device does not have are asked for apart from the others, and then no more."""
    poll.left.popleft()
    if refusal.code == ILLEGAL_ADDRESS:
        parts = poll.device.registers.split(request)
        at = poll.plan.index(request)
        poll.plan[at : at + 1] = parts
        poll.left.extendleft(reversed(parts))
    return None if poll.plan and refusal.code == ILLEGAL_ADDRESS else f"{request}: {refusal.detail}"
