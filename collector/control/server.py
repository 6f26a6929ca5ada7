"""The control socket of the daemon: whoever may open it, the daemon's user and root, may ask.

A question is short and comes at once; an answer waits for who reads it slowly, holding a few segments at most.
"""

import asyncio
import contextlib
import errno
import socket
import stat
from pathlib import Path

import msgspec

from collector import unix_socket
from collector.control.protocol import REQUEST_BYTES, SOCKET, Done, Failed, Question, identity
from collector.control.verbs import answer
from collector.errors import CollectorError, DiskUnavailable, SpoolError
from collector.log import events
from collector.spool.spool import Spool

CONNECTIONS = 8
"""Most at a time; one too many is told so."""

ASK = 5.0
"""Seconds in which the question must have come."""

STALLED = 600.0
"""Seconds that a reader may take nothing: a person may look at one page for a while."""

AGAIN = 10.0
"""Seconds between looks whether the socket is there; until it is, collecting goes on without."""


async def serve(spool: Spool, collector: str) -> None:
    """Answers till cancelled. Raises SpoolError when the disk fails under a question: the daemon must end then."""
    complained = ""
    while True:
        path = spool.journal.directory / SOCKET
        try:
            async with _Listening(spool, collector, path) as listening:
                await listening.until_gone()
        except OSError as error:
            if str(error) != complained:
                complained = str(error)
                events.CONTROL_UNAVAILABLE.log(
                    "control socket: %s: %s; edge-collector spool cannot reach this daemon, trying again every %d s",
                    *(path, error.strerror or error, AGAIN),
                )
        await asyncio.sleep(AGAIN)


class _Listening:
    """The socket while it is open, and the connections to it."""

    def __init__(self, spool: Spool, collector: str, path: Path) -> None:
        self._spool = spool
        self._collector = collector
        self._path = path
        self._identity = identity((spool.data_dir / "lock").stat())
        self._connections: set[asyncio.Task[None]] = set()
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def __aenter__(self) -> "_Listening":
        """Raises OSError."""
        listener = _bind(self._path)
        status = self._path.lstat()
        self._file = status.st_dev, status.st_ino
        self._server = await asyncio.start_unix_server(self._connected, sock=listener, limit=REQUEST_BYTES)
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._server.close()
        for connection in self._connections:
            connection.cancel()
        if self._connections:
            await asyncio.wait(self._connections)
        if self._there():
            self._path.unlink(missing_ok=True)

    async def until_gone(self) -> None:
        """Returns when somebody has removed the socket. Raises SpoolError when the disk failed under a question."""
        while self._there():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(self._failed), AGAIN)

    def _there(self) -> bool:
        try:
            status = self._path.lstat()
        except OSError:
            return False
        return (status.st_dev, status.st_ino) == self._file

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            verdict = await self._answer(reader, writer)
            await _write(writer, msgspec.json.encode(verdict) + b"\n")
        except (OSError, TimeoutError):
            pass  # the asker has gone, or does not read
        finally:
            self._connections.discard(task)
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Done | Failed:
        if len(self._connections) > CONNECTIONS:
            return Failed(f"{CONNECTIONS} others are asking already; try again when one has ended")
        try:
            async with asyncio.timeout(ASK):
                question = msgspec.json.decode(await reader.readline(), type=Question)
        except TimeoutError:
            return Failed("no question came")
        except ValueError as error:  # also a line too long, and a DecodeError
            return Failed(f"not understood ({error}); is the daemon of another version? Restart it then")
        if question.spool != self._identity:
            return Failed(f"this daemon keeps another spool, {self._spool.data_dir}; see -c and collector.data_dir")
        try:
            return await answer(
                question.request, self._spool, self._collector, lambda data: _write(writer, data), running=True
            )
        except DiskUnavailable as error:
            return Failed(str(error))
        except SpoolError as error:
            if not self._failed.done():
                self._failed.set_exception(error)
            return Failed(str(error))
        except CollectorError as error:
            return Failed(str(error))
        except (OSError, TimeoutError):
            raise
        except Exception as error:
            events.INTERNAL_ERROR.log("control socket: internal error; please report it", exc_info=True)
            return Failed(f"internal error ({error!r}); the log has more, please report it")


async def _write(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(data)
    async with asyncio.timeout(STALLED):
        await writer.drain()


def _bind(path: Path) -> socket.socket:
    """In the place of a socket that a killed daemon left: who holds the spool's lock is alone. Raises OSError."""
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise FileExistsError(errno.EEXIST, "a file that is not a socket stands there; remove it")
        path.unlink()
    return unix_socket.listen(path, CONNECTIONS)
