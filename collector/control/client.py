"""Asks the daemon, or where none runs, opens the spool itself: the answer is the same."""

import asyncio
import contextlib
import logging
import os
import pwd
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from collector.clock import SystemClock
from collector.config.load import Loaded
from collector.control.protocol import REQUEST_BYTES, SOCKET, Done, Failed, Question, Request, identity
from collector.control.verbs import answer
from collector.errors import CollectorError, DiskUnavailable
from collector.log import events
from collector.spool.lock import InUse
from collector.spool.place import places
from collector.spool.spool import Spool

TIMEOUT = 60.0
"""Seconds without a byte after which the daemon counts as stuck: a commit on a worn card takes some."""

STARTING = 5.0
"""Seconds that a daemon may need from taking the lock to opening its socket, or back."""

Take = Callable[[bytes], None]
"""Gets whole lines of data, in order."""

_verdict = msgspec.json.Decoder(Done | Failed)


def ask(loaded: Loaded, request: Request, take: Take) -> Done:
    """The answer; data lines go to `take`. Raises CollectorError with what to do."""
    data_dir = loaded.configuration.collector.data_dir
    lock = _find(data_dir)
    _become(lock.st_uid)
    question = msgspec.json.encode(Question(identity(lock), request)) + b"\n"
    if len(question) > REQUEST_BYTES:
        raise CollectorError("too many ids at once; name fewer, or use --all with --sink")
    patience = time.monotonic() + STARTING
    while (connection := _connect(data_dir, lock.st_uid)) is None:
        try:
            return _open(loaded, request, take)
        except InUse as error:
            if time.monotonic() > patience:
                raise CollectorError(
                    f"{data_dir}: a collector works on it, but its control socket is not to be found; "
                    "its log says why: event control.unavailable"
                ) from error
            time.sleep(0.1)
    with connection:
        verdict = _converse(connection, question, take)
    if isinstance(verdict, Failed):
        raise CollectorError(verdict.error)
    return verdict


def _find(data_dir: Path) -> os.stat_result:
    """Of the lock file: whose spool it is, and which."""
    try:
        (data_dir / "spool.sqlite3").stat()
        return (data_dir / "lock").stat()
    except PermissionError as error:
        raise CollectorError(f"{data_dir}: no permission; run it as root or as the collector's user") from error
    except OSError as error:
        raise CollectorError(
            f"{data_dir}: no spool there ({error.strerror}); is -c the collector's configuration, and has it run?"
        ) from error


def _become(uid: int) -> None:
    """Root works as the spool's owner, so that no file of root's gets in the daemon's way."""
    if os.geteuid() == 0 and uid != 0:
        try:
            user = pwd.getpwuid(uid)
            os.initgroups(user.pw_name, user.pw_gid)
            os.setgid(user.pw_gid)
        except KeyError:
            os.setgroups([])
        os.setuid(uid)


def _connect(data_dir: Path, uid: int) -> socket.socket | None:
    """The daemon's end; None where nobody listens."""
    for path in [place / SOCKET for place in [*places(data_dir, uid), data_dir]]:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(TIMEOUT)
        try:
            connection.connect(os.fspath(path))
            return connection
        except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError):
            connection.close()  # nothing there, or a killed daemon's
        except PermissionError as error:
            connection.close()
            raise CollectorError(f"{path}: no permission; run it as root or as the collector's user") from error
        except TimeoutError as error:
            connection.close()
            raise _stuck(path) from error
        except OSError as error:
            connection.close()
            raise CollectorError(f"{path}: {error.strerror or error}; look at: journalctl -u edge-collector") from error
    return None


def _converse(connection: socket.socket, question: bytes, take: Take) -> Done | Failed:
    """Hands data lines on as they come; the last line, which nothing follows, is the verdict."""
    last = b""
    path = Path(connection.getpeername())
    for lines in _lines(connection, question, path):
        if last:
            take(last)
        cut = lines.rfind(b"\n", 0, -1) + 1
        if cut:
            take(lines[:cut])
        last = lines[cut:]
    try:
        verdict: Done | Failed = _verdict.decode(last)
    except msgspec.DecodeError as error:
        raise CollectorError(
            f"{path}: the answer was cut off, so nothing is sure; has the daemon stopped? Ask again"
        ) from error
    return verdict


def _lines(connection: socket.socket, question: bytes, path: Path) -> Iterator[bytes]:
    """One or more whole lines at a time; a line that was cut off is left out. Raises CollectorError."""
    rest = bytearray()
    while True:
        try:
            if question:
                # The answer may have come before the question: that there are too many.
                with contextlib.suppress(ConnectionError):
                    connection.sendall(question)
                question = b""
            data = connection.recv(262144)
        except TimeoutError as error:
            raise _stuck(path) from error
        except ConnectionError:
            return
        if not data:
            return
        rest += data
        if (cut := data.rfind(b"\n")) >= 0:
            end = len(rest) - len(data) + cut + 1
            yield bytes(rest[:end])
            del rest[:end]


def _stuck(path: Path) -> CollectorError:
    return CollectorError(
        f"{path}: the daemon does not answer within {TIMEOUT:.0f} s; look at: journalctl -u edge-collector"
    )


def _open(loaded: Loaded, request: Request, take: Take) -> Done:
    """Works on the spool as a daemon would, under its lock, and leaves everything committed. Raises InUse."""
    configuration = loaded.configuration

    async def write(data: bytes) -> None:
        take(data)

    async def work() -> Done:
        spool = await Spool.open(
            configuration.spool,
            configuration.collector.data_dir,
            SystemClock(),
            sinks=list(configuration.sinks),
            windows={},
            on_safe=lambda through: None,
            on_held_back=lambda held_back: None,
        )
        try:
            return await answer(request, spool, configuration.collector.id, write, running=False)
        finally:
            with contextlib.suppress(DiskUnavailable):  # the tail journal still holds what the daemon left in memory
                await spool.close()

    log = logging.getLogger(events.LOGGER)
    level = log.level
    log.setLevel(logging.ERROR)  # the rest is for who runs a daemon
    try:
        return asyncio.run(work())
    finally:
        log.setLevel(level)
