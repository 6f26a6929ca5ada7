"""A serial port of this machine: pyserial opens and configures it, the event loop reads it."""

import asyncio
import errno
import os
import termios
from collections.abc import Callable
from pathlib import Path

import serial
from serial.tools import list_ports

from collector.config.port import UsbPort
from collector.errors import SourceError
from collector.profiles.profile import SerialSettings
from collector.sources import usb

_PARITY = {"none": serial.PARITY_NONE, "even": serial.PARITY_EVEN, "odd": serial.PARITY_ODD}
_MISSING = {errno.ENOENT, errno.ENODEV, errno.ENXIO}
_FORBIDDEN = {errno.EACCES, errno.EPERM}
_BUSY = {errno.EBUSY, errno.EAGAIN}
_NOT_SERIAL = {errno.EISDIR, errno.ENOTTY}
_READ_SIZE = 65536


class TtyLine:
    """One open port. `lost` ends with the error that ended the line."""

    def __init__(self, name: str, port: serial.Serial, receive: Callable[[bytes], None]) -> None:
        self._name = name
        self._port = port
        self._descriptor = port.fileno()
        self._receive = receive
        self._loop = asyncio.get_running_loop()
        self.lost: asyncio.Future[None] = self._loop.create_future()

    @classmethod
    async def open(
        cls, port: str | UsbPort, settings: SerialSettings, receive: Callable[[bytes], None], paused: bool
    ) -> "TtyLine":
        """Raises SourceError with what to do about it."""
        # In a thread: a wedged USB adapter answers each of its set-up requests only after 5 s.
        opening = asyncio.get_running_loop().run_in_executor(None, open_port, port, settings)
        try:
            line = cls(str(port), await asyncio.shield(opening), receive)
        except asyncio.CancelledError:
            opening.add_done_callback(_close_unwanted)
            raise
        line.pause(paused)
        return line

    def pause(self, paused: bool) -> None:
        if paused or self.lost.done():
            self._loop.remove_reader(self._descriptor)
        else:
            self._loop.add_reader(self._descriptor, self._readable)

    def write(self, data: bytes) -> None:
        """Requests are short and the kernel takes 4 KiB, so what it does not take at once it never will."""
        try:
            if os.write(self._descriptor, data) == len(data):
                return
            fault = "takes nothing more"
        except BlockingIOError:
            fault = "takes nothing more"
        except OSError as error:
            fault = f"unplugged or hung up ({error.strerror})"
        self._lose(SourceError(f"{self._name}: {fault}"))

    def close(self) -> None:
        self._loop.remove_reader(self._descriptor)
        self._port.close()

    def _readable(self) -> None:
        """One read a call: the kernel hands over 4 KiB at most, and other readers want their turn.

        After a hang-up every read answers at once with nothing, so the one last call that uvloop makes
        when the descriptor reports an error is enough to see it.
        """
        try:
            data = os.read(self._descriptor, _READ_SIZE)
        except BlockingIOError:
            return
        except OSError as error:
            self._lose(SourceError(f"{self._name}: unplugged or hung up ({error.strerror})"))
            return
        if not data:
            self._lose(SourceError(f"{self._name}: unplugged or hung up"))
            return
        try:
            self._receive(data)
        except Exception as error:
            self._lose(error)

    def _lose(self, error: Exception) -> None:
        # A dead line is readable for ever, so the reader must go before anything else runs.
        self._loop.remove_reader(self._descriptor)
        if not self.lost.done():
            self.lost.set_exception(error)
            self.lost.exception()  # seen, even if the source is told to stop before it looks


def open_port(port: str | UsbPort, settings: SerialSettings) -> serial.Serial:
    """Raises SourceError with what to do about it."""
    path = usb.find(port) if isinstance(port, UsbPort) else port
    try:
        line = serial.Serial(
            None,
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
        # Said before the port opens: an Arduino is reset by the change.
        if settings.dtr is not None:
            line.dtr = settings.dtr
        if settings.rts is not None:
            line.rts = settings.rts
        line.port = path
        line.open()
        return line
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
