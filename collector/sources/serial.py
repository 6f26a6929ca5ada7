"""A serial line: pyserial opens and configures the port, the event loop reads it."""

import asyncio
import errno
import os
import termios
from collections.abc import Callable, Sequence
from pathlib import Path

import serial
from serial.tools import list_ports

from collector.contracts import Intake
from collector.errors import SourceError
from collector.profiles.framing import Framer
from collector.profiles.profile import SerialSettings
from collector.reading import Frame

_PARITY = {"none": serial.PARITY_NONE, "even": serial.PARITY_EVEN, "odd": serial.PARITY_ODD}
_MISSING = {errno.ENOENT, errno.ENODEV, errno.ENXIO}
_FORBIDDEN = {errno.EACCES, errno.EPERM}
_BUSY = {errno.EBUSY, errno.EAGAIN}
_NOT_SERIAL = {errno.EISDIR, errno.ENOTTY}
_READ_SIZE = 65536


class SerialSource:
    """Reads one serial line. Nothing on it can be re-sent, so nothing is acknowledged."""

    window = 0

    def __init__(self, port: str, settings: SerialSettings, framer: Callable[[], Framer]) -> None:
        self._port = port
        self._settings = settings
        self._new_framer = framer
        self._reader: _LineReader | None = None
        self._paused = False

    async def run(self, intake: Intake) -> None:
        """Raises SourceError when the port cannot be opened, is unplugged or hangs up."""
        line = await self._open()
        try:
            self._reader = _LineReader(self._port, line.fileno(), self._new_framer(), intake)
            intake.connected()
            self._reader.pause(self._paused)
            await self._reader.lost
        finally:
            if self._reader is not None:
                self._reader.pause(True)
                self._reader = None
            line.close()

    def acknowledge(self, tokens: Sequence[int]) -> None:
        pass

    def pause(self, paused: bool) -> None:
        self._paused = paused
        if self._reader is not None:
            self._reader.pause(paused)

    async def _open(self) -> serial.Serial:
        # In a thread: a wedged USB adapter answers each of its set-up requests only after 5 s.
        opening = asyncio.get_running_loop().run_in_executor(None, open_port, self._port, self._settings)
        try:
            return await asyncio.shield(opening)
        except asyncio.CancelledError:
            opening.add_done_callback(_close_unwanted)
            raise


class _LineReader:
    """Feeds one open line into the intake; `lost` ends with the error that ended the line."""

    def __init__(self, port: str, descriptor: int, framer: Framer, intake: Intake) -> None:
        self._port = port
        self._descriptor = descriptor
        self._framer = framer
        self._intake = intake
        self._loop = asyncio.get_running_loop()
        self.lost: asyncio.Future[None] = self._loop.create_future()

    def pause(self, paused: bool) -> None:
        if paused or self.lost.done():
            self._loop.remove_reader(self._descriptor)
        else:
            self._loop.add_reader(self._descriptor, self._readable)

    def _readable(self) -> None:
        try:
            self._read()
        except BlockingIOError:
            pass
        except Exception as error:
            # A dead line is readable for ever, so the reader must go before anything else runs.
            self._loop.remove_reader(self._descriptor)
            if not self.lost.done():
                self.lost.set_exception(error)

    def _read(self) -> None:
        """One read a call: the kernel hands over 4 KiB at most, and other readers want their turn.

        After a hang-up every read answers at once with nothing, so the one last call that uvloop makes
        when the descriptor reports an error is enough to see it.
        """
        try:
            data = os.read(self._descriptor, _READ_SIZE)
        except BlockingIOError:
            raise
        except OSError as error:
            raise SourceError(f"{self._port}: unplugged or hung up ({error.strerror})") from error
        if not data:
            raise SourceError(f"{self._port}: unplugged or hung up")
        frames = self._framer.feed(data)
        if frames:
            self._intake.frames([Frame(frame) for frame in frames])
        if self._framer.garbage_bytes:
            self._report_refusals(self._framer)

    def _report_refusals(self, framer: Framer) -> None:
        """Noise without any frame in it, the sign of a wrong baud rate, counts once a read."""
        for reason, count in (framer.refused or {"garbage": 1}).items():
            self._intake.refused(reason, count, f"{self._port}: {framer.garbage_bytes} bytes skipped")
        framer.refused.clear()
        framer.garbage_bytes = 0


def open_port(port: str, settings: SerialSettings) -> serial.Serial:
    """Raises SourceError with what to do about it."""
    try:
        return serial.Serial(
            port,
            baudrate=settings.baudrate,
            bytesize=settings.bytesize,
            parity=_PARITY[settings.parity],
            stopbits=settings.stopbits,
            timeout=0,
            # Sets VMIN to 1: then an idle line is EAGAIN and only a hang-up reads as nothing. pyserial's own
            # choice, VMIN 0, answers both with nothing.
            inter_byte_timeout=0,
            exclusive=True,
        )
    except (OSError, ValueError, OverflowError, termios.error) as error:
        raise SourceError(f"{port}: {_explain(error)}") from error


def _explain(error: Exception) -> str:
    if isinstance(error, ValueError | OverflowError):
        return f"the line cannot be set so: {error}"
    number = _number(error)
    if number in _MISSING:
        return f"no such port; is it plugged in? Ports here: {', '.join(_ports()) or 'none'}"
    if number in _FORBIDDEN:
        return "no permission; add the user to the dialout group, then start the collector again"
    if number in _BUSY:
        return "in use by another program; stop that program or choose another port"
    if number in _NOT_SERIAL:
        return f"not a serial port; name another. Ports here: {', '.join(_ports()) or 'none'}"
    return f"{os.strerror(number) if number else error}; unplug it and plug it in again"


def _number(error: Exception) -> int | None:
    """The errno, also of the termios.error that pyserial puts into words; those repeat port and errno."""
    for one in (error, error.__context__):
        if isinstance(one, termios.error):
            return int(one.args[0])
        if isinstance(one, OSError) and one.errno is not None:
            return one.errno
    return None


def _ports() -> list[str]:
    """By the names that stay the same over replugging, if there are any."""
    by_id = [str(link) for link in Path("/dev/serial/by-id").glob("*")]
    return sorted(by_id or [port.device for port in list_ports.comports()])


def _close_unwanted(opening: "asyncio.Future[serial.Serial]") -> None:
    """The port came open after the source had been cancelled."""
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()
