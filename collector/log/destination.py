"""Where log lines go: stderr, or journald's own socket. Each may block; only the writer's thread waits for it."""

import os
import select
import socket
from pathlib import Path
from typing import Protocol

JOURNAL_SOCKET = Path("/run/systemd/journal/socket")


class Destination(Protocol):
    def write(self, line: bytes) -> None:
        """Returns when the line is on its way. Raises OSError when it cannot be."""

    def close(self) -> None: ...


class Descriptor:
    """A descriptor that others may share, so that it keeps the mode it has: most block, and some do not."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def write(self, line: bytes) -> None:
        while line:
            try:
                line = line[os.write(self._descriptor, line) :]
            except BlockingIOError:
                poll = select.poll()
                poll.register(self._descriptor, select.POLLOUT)
                poll.poll()

    def close(self) -> None:
        pass


class Journald:
    """Connects again when journald was restarted."""

    def __init__(self, path: Path = JOURNAL_SOCKET) -> None:
        self._path = path
        self._socket: socket.socket | None = None

    def write(self, line: bytes) -> None:
        try:
            self._send(line)
        except (ConnectionError, FileNotFoundError):
            self.close()
            self._send(line)

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send(self, line: bytes) -> None:
        if self._socket is None:
            connecting = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
            try:
                connecting.connect(str(self._path))
            except OSError:
                connecting.close()
                raise
            self._socket = connecting
        self._socket.send(line)


def is_journal(descriptor: int, stream: str | None) -> bool:
    """Whether the descriptor is the one systemd connected to the journal; `stream` is its `$JOURNAL_STREAM`."""
    try:
        found = os.fstat(descriptor)
    except OSError:
        return False
    return stream == f"{found.st_dev}:{found.st_ino}"
