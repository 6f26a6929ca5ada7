"""One question at a time to the devices behind a line or a connection, and the answer to that very question."""

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

from collector.errors import FrameError, SourceError
from collector.profiles.modbus import adu, pdu
from collector.profiles.modbus.pdu import Request
from collector.sources.line import Line

_LEAST_SILENCE = 0.00175
"""Seconds between two RTU frames on a fast line; on others 3.5 characters (Modbus over Serial Line, 2.5.1.1)."""
_FAST = 19200
_SETTLE = 0.05
"""Seconds of silence after a spoiled reply: by then all of it has come."""
_TICK = 0.001
"""Seconds; what is left to wait is never less, for timers are no finer."""


class Bus(Protocol):
    guard: float
    """Seconds during which a device that did not answer in time must not be asked: its late reply would pass for the
    reply to the newer question."""

    lost: "asyncio.Future[None]"

    async def ask(self, address: int, request: Request) -> bytes:
        """The registers. Raises FrameError: no answer (`timeout`), a spoiled one, or a refusal."""

    def close(self) -> None: ...


class RtuBus:
    """Modbus RTU. A reply says neither which request it answers nor which registers it holds."""

    def __init__(self, character: float, baudrate: int, timeout: float, turnaround: float) -> None:
        """`character`: seconds that one takes on the line."""
        self.guard = timeout
        self._character = character
        self._timeout = timeout
        self._silence = max(_LEAST_SILENCE if baudrate > _FAST else 3.5 * character, turnaround)
        self._line: Line | None = None
        self._received = b""
        self._heard = 0.0
        self._answer: Callable[[], None] | None = None

    def on(self, line: Line) -> None:
        """What the line receives must go to `receive`."""
        self._line, self.lost = line, line.lost

    def receive(self, data: bytes) -> None:
        self._heard = time.monotonic()
        if self._answer is not None:
            self._received += data
            self._answer()

    def close(self) -> None:
        if self._line is not None:
            self._line.close()

    async def ask(self, address: int, request: Request) -> bytes:
        assert self._line is not None
        while (rest := self._heard + self._silence - time.monotonic()) > 0:  # noqa: ASYNC110
            await asyncio.sleep(max(rest, _TICK))
        frame = adu.rtu(address, request.encode())
        loop = asyncio.get_running_loop()
        reply: asyncio.Future[bytes] = loop.create_future()
        spoiled: FrameError | None = None
        settled: asyncio.TimerHandle | None = None

        def answer() -> None:
            nonlocal spoiled, settled
            if reply.done():
                return
            try:
                found = adu.find_reply(self._received, address, request)
            except FrameError as error:
                spoiled = error
                if settled is not None:
                    settled.cancel()
                settled = loop.call_later(_SETTLE, lambda: reply.done() or reply.cancel())
                return
            if found is not None:
                reply.set_result(found)

        on_the_line = (len(frame) + request.reply_size + adu.RTU_AROUND) * self._character
        self._received, self._answer = b"", answer
        try:
            self._line.write(frame)
            self._heard = time.monotonic() + len(frame) * self._character
            await asyncio.wait((reply, self.lost), timeout=self._timeout + on_the_line, return_when=_FIRST)
        finally:
            self._answer = None
            if settled is not None:
                settled.cancel()
        if reply.done() and not reply.cancelled():
            return pdu.answer(request, reply.result())
        if self.lost.done():
            await self.lost
        if spoiled is not None:
            raise spoiled
        raise _no_answer(self._timeout, self._received)


class TcpBus:
    """Modbus TCP: transaction numbers tell the reply to this request from a late one to another."""

    guard = 0.0

    def __init__(self, place: str, timeout: float) -> None:
        self._place = place
        self._timeout = timeout
        self._line: Line | None = None
        self._transaction = 0
        self._received = b""
        self._reply: asyncio.Future[bytes] | None = None
        self._unit = 0

    def on(self, line: Line) -> None:
        """What the connection receives must go to `receive`."""
        self._line, self.lost = line, line.lost

    def receive(self, data: bytes) -> None:
        """Raises SourceError where it cannot be Modbus TCP."""
        self._received += data
        while len(self._received) >= adu.HEADER:
            size = adu.HEADER + int.from_bytes(self._received[4:6], "big")
            if any(self._received[2:4]) or not adu.HEADER + 3 <= size <= adu.HEADER + 1 + adu.LONGEST_PDU:
                raise SourceError(
                    f"{self._place}: does not speak Modbus TCP; for RTU over TCP give port = socket://..."
                )
            if len(self._received) < size:
                return
            frame, self._received = self._received[:size], self._received[size:]
            mine = int.from_bytes(frame[:2], "big") == self._transaction and frame[adu.HEADER] == self._unit
            if mine and self._reply is not None and not self._reply.done():
                self._reply.set_result(frame[adu.HEADER + 1 :])

    def close(self) -> None:
        if self._line is not None:
            self._line.close()

    async def ask(self, address: int, request: Request) -> bytes:
        assert self._line is not None
        self._transaction = self._transaction % 0xFFFF + 1
        self._unit = address
        self._reply = reply = asyncio.get_running_loop().create_future()
        try:
            self._line.write(adu.tcp(self._transaction, address, request.encode()))
            await asyncio.wait((reply, self.lost), timeout=self._timeout, return_when=_FIRST)
        finally:
            self._reply = None
        if reply.done():
            return pdu.answer(request, reply.result())
        if self.lost.done():
            await self.lost
        raise _no_answer(self._timeout, b"")


_FIRST = asyncio.FIRST_COMPLETED


def _no_answer(timeout: float, received: bytes) -> FrameError:
    beside = f"; {len(received)} bytes that are none: {received[:16].hex(' ')}" if received else ""
    return FrameError("timeout", f"no answer in {timeout:g} s{beside}")
