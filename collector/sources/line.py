"""A serial line, wherever it is: plugged into this machine or behind a TCP port."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from collector.config.port import NetworkPort, Port
from collector.profiles.profile import SerialSettings
from collector.sources.stream import StreamLine


class Line(Protocol):
    """An open line. What it receives goes to the function that it was opened with."""

    lost: "asyncio.Future[None]"
    """Ends with the error that ended the line: mostly a SourceError."""

    def write(self, data: bytes) -> None:
        """Never raises; a line that takes nothing is lost."""

    def pause(self, paused: bool) -> None:
        """Stop or go on reading."""

    def close(self) -> None: ...


async def open_line(
    port: Port, settings: SerialSettings, receive: Callable[[bytes], None], *, paused: bool = False
) -> Line:
    """Raises SourceError with what to do about it."""
    if isinstance(port, NetworkPort):
        return await StreamLine.open(port, settings, receive, paused)
    from collector.sources.tty import TtyLine  # pyserial, for those who have a port

    return await TtyLine.open(port, settings, receive, paused)
