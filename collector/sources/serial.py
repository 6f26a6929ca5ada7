"""A device that speaks by itself over a serial line."""

import asyncio
from collections.abc import Callable, Sequence

from collector.config.port import Port
from collector.contracts import Intake
from collector.profiles.framing import Framer
from collector.profiles.profile import SerialSettings
from collector.reading import Frame
from collector.sources.line import Line, open_line

SILENCE = 30.0
"""Seconds of bytes without a frame after which something is wrong with the line, not with a frame."""


class SerialSource:
    """Reads one serial line. Nothing on it can be re-sent, so nothing is acknowledged."""

    window = 0

    def __init__(
        self, port: Port, settings: SerialSettings, framer: Callable[[], Framer], wake: Sequence[bytes] = ()
    ) -> None:
        """`wake`: commands for a device that somebody may have put to sleep."""
        self._port = port
        self._wake = wake
        self._settings = settings
        self._new_framer = framer
        self._line: Line | None = None
        self._paused = False

    async def run(self, intake: Intake) -> None:
        """Raises SourceError when the port cannot be opened, is unplugged or hangs up."""
        stream = FrameStream(self._new_framer(), intake, str(self._port), self._settings.baudrate)
        line = await open_line(self._port, self._settings, stream.feed, paused=True)
        try:
            self._line = line
            intake.connected()
            line.pause(self._paused)
            for command in self._wake:
                line.write(command)
            await line.lost
        finally:
            self._line = None
            stream.close()
            line.close()

    def acknowledge(self, tokens: Sequence[int]) -> None:
        pass

    def pause(self, paused: bool) -> None:
        self._paused = paused
        if self._line is not None:
            self._line.pause(paused)


class FrameStream:
    """The bytes of one open line on their way into the intake; tells when none of them make a frame."""

    def __init__(self, framer: Framer, intake: Intake, port: str, baudrate: int) -> None:
        self._framer = framer
        self._intake = intake
        self._port = port
        self._baudrate = baudrate
        self._loop = asyncio.get_running_loop()
        self._without_frame = 0
        """Bytes since the last frame."""
        self._complaint: asyncio.TimerHandle | None = None
        self._complained = False

    def feed(self, data: bytes) -> None:
        self._intake.raw(data)
        frames, ignored = self._framer.feed(data), self._framer.ignored
        self._framer.ignored = 0
        if frames:
            self._intake.frames([Frame(frame) for frame in frames])
        if frames or ignored:
            self._frame_came()
        else:
            self._without_frame += len(data)
            if self._complaint is None:
                self._complaint = self._loop.call_later(SILENCE, self._complain)
        if self._framer.garbage_bytes:
            self._report_refusals(self._framer)

    def close(self) -> None:
        if self._complaint is not None:
            self._complaint.cancel()

    def _frame_came(self) -> None:
        self._without_frame = 0
        self.close()
        self._complaint = None
        if self._complained:
            self._complained = False
            self._intake.trouble(None, None)

    def _complain(self) -> None:
        self._complained = True
        self._intake.trouble(
            None,
            f"no valid frame in {SILENCE:.0f} s, {self._without_frame:,} bytes seen, looks like baud mismatch: "
            f"{self._port} is read at {self._baudrate}; correct baudrate or profile, profiles sniff shows what comes",
        )

    def _report_refusals(self, framer: Framer) -> None:
        """Noise without any frame in it, the sign of a wrong baud rate, counts once a read."""
        for reason, count in (framer.refused or {"garbage": 1}).items():
            self._intake.refused(reason, count, f"{self._port}: {framer.garbage_bytes} bytes skipped")
        framer.refused.clear()
        framer.garbage_bytes = 0
