"""A device on a serial line that must be asked, or woken."""

import asyncio
from collections.abc import Callable, Sequence

from collector.config.port import Port
from collector.contracts import Intake
from collector.profiles.framing import Framer
from collector.profiles.polling import Polling
from collector.profiles.profile import SerialSettings
from collector.profiles.table import Hex
from collector.reading import Frame
from collector.sources.line import Line, open_line


class PolledSource:
    """One round after the other. Nothing that a device says can be re-sent, so nothing is acknowledged."""

    window = 0

    def __init__(
        self, port: Port, settings: SerialSettings, framer: Callable[[], Framer], polling: Polling, interval: float
    ) -> None:
        self._port = port
        self._settings = settings
        self._new_framer = framer
        self._polling = polling
        self._interval = interval
        self._naps = bool(polling.wake) and interval > polling.warm_up
        """It sleeps from round to round."""
        self._paused = False

    def acknowledge(self, tokens: Sequence[int]) -> None:
        pass

    def pause(self, paused: bool) -> None:
        self._paused = paused

    async def run(self, intake: Intake) -> None:
        """Raises SourceError when the port cannot be opened, is unplugged or hangs up."""
        answers = _Answers(self._new_framer)

        def receive(data: bytes) -> None:
            intake.raw(data)
            answers.feed(data)

        line = await open_line(self._port, self._settings, receive)
        rounds = asyncio.create_task(self._poll(line, answers, intake))
        try:
            intake.connected()
            await asyncio.wait((rounds, line.lost), return_when=asyncio.FIRST_COMPLETED)
            await (line.lost if line.lost.done() else rounds)
        finally:
            rounds.cancel()
            line.close()

    async def _poll(self, line: Line, answers: "_Answers", intake: Intake) -> None:
        polling, loop = self._polling, asyncio.get_running_loop()
        await self._send(line, polling.init)
        if not self._naps:
            await self._send(line, polling.wake)
            if polling.warm_up:
                intake.trouble(None, f"warming up: what it says in the first {polling.warm_up:g} s is not believed")
            await asyncio.sleep(polling.warm_up)
        due = loop.time()
        while True:
            if not self._paused:
                await self._round(line, answers, intake)
            missed = max(0.0, loop.time() - due) // self._interval
            due += (missed + 1) * self._interval
            await asyncio.sleep(due - loop.time())

    async def _round(self, line: Line, answers: "_Answers", intake: Intake) -> None:
        polling = self._polling
        if self._naps:
            await self._send(line, polling.wake)
            await asyncio.sleep(polling.warm_up)
        for request in polling.requests or [Hex()]:
            frame = await self._ask(line, answers, intake, request)
            if frame is not None and not self._paused:
                intake.frames([Frame(frame)])
            await asyncio.sleep(polling.turnaround)
        if self._naps:
            await self._send(line, polling.sleep)

    async def _ask(self, line: Line, answers: "_Answers", intake: Intake, request: bytes) -> bytes | None:
        """The frame that answers; None after the last attempt. What comes at another time is no answer."""
        polling = self._polling
        for _ in range(1 + polling.retries):
            answer = answers.expect()
            if request:
                line.write(request)
            done, _pending = await asyncio.wait((answer,), timeout=polling.timeout)
            answers.expect_nothing()
            for reason, count in answers.refused().items():
                intake.refused(reason, count, f"{self._port}: instead of an answer")
            if done:
                intake.trouble(None, None)
                return answer.result()
            intake.refused("timeout", 1, f"{self._port}: no answer in {polling.timeout:g} s")
            # A late answer would pass for the one to the next request.
            await asyncio.sleep(polling.timeout)
        intake.trouble(None, f"no answer in {polling.timeout:g} s; asked {1 + polling.retries} times")
        return None

    async def _send(self, line: Line, commands: Sequence[bytes]) -> None:
        for command in commands:
            line.write(command)
            await asyncio.sleep(self._polling.turnaround)


class _Answers:
    """The bytes of the line, of which only those count that come after a request."""

    def __init__(self, framer: Callable[[], Framer]) -> None:
        self._new_framer = framer
        self._framer: Framer | None = None
        self._answer: asyncio.Future[bytes] | None = None

    def expect(self) -> "asyncio.Future[bytes]":
        """The first frame from now on; what has come so far is forgotten."""
        self._framer = self._new_framer()
        self._answer = asyncio.get_running_loop().create_future()
        return self._answer

    def expect_nothing(self) -> None:
        self._answer = None

    def refused(self) -> dict[str, int]:
        """Frames since the request that were none, by reason."""
        return dict(self._framer.refused) if self._framer is not None else {}

    def feed(self, data: bytes) -> None:
        if self._answer is None or self._framer is None or self._answer.done():
            return
        frames = self._framer.feed(data)
        if frames:
            self._answer.set_result(frames[0])
