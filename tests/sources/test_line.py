"""Lines wherever they are: behind a TCP port, with settings (pyserial's own RFC 2217 server), under another name."""

import asyncio
import contextlib
import os
import threading
import tty
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
import serial
import uvloop
from serial.rfc2217 import PortManager

from collector.config import port as ports
from collector.errors import SourceError
from collector.profiles.framing.delimiter import DelimiterFraming
from collector.profiles.framing.framer import Framer
from collector.profiles.profile import SerialSettings
from collector.sources import serial as serial_source
from collector.sources.line import Line, open_line
from collector.sources.rfc2217 import Rfc2217Client
from collector.sources.serial import SerialSource
from tests.sources.intake import RecordingIntake, until

SETTINGS = SerialSettings(baudrate=19200, bytesize=7, parity="even", stopbits=2)


def lines() -> Framer:
    return DelimiterFraming(delimiter="\n", max_length=2000).framer(None)


def open_descriptors(name: str) -> int:
    found = 0
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            found += str(link.readlink()) == name
    return found


@contextlib.asynccontextmanager
async def opened(place: str, settings: SerialSettings = SETTINGS) -> AsyncIterator[tuple[Line, bytearray]]:
    received = bytearray()
    line = await open_line(ports.parse(place), settings, received.extend)
    try:
        yield line, received
    finally:
        line.close()


@contextlib.asynccontextmanager
async def echo_server() -> AsyncIterator[str]:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(100):
                writer.write(data)
        writer.close()

    async with await asyncio.start_server(echo, "127.0.0.1", 0) as server:
        yield f"socket://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_a_socket_carries_the_bytes_as_they_are(run: Callable[[Coroutine[Any, Any, None]], None]) -> None:
    """On either event loop, also held back for a while."""
    every_byte = bytes(range(256))

    async def scenario() -> None:
        async with echo_server() as place, opened(place) as (line, received):
            line.write(every_byte)
            await until(lambda: received == every_byte)
            line.pause(True)
            line.write(every_byte)
            await asyncio.sleep(0.05)
            assert received == every_byte
            line.pause(False)
            await until(lambda: received == 2 * every_byte)

    run(scenario())


async def test_a_source_reads_a_socket_and_is_lost_with_it() -> None:
    writers: list[asyncio.StreamWriter] = []

    async def device(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        writer.write(b"1\n2\n3")
        await reader.read()

    intake = RecordingIntake()
    async with await asyncio.start_server(device, "127.0.0.1", 0) as server:
        place = f"socket://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        running = asyncio.create_task(SerialSource(ports.parse(place), SETTINGS, lines).run(intake))
        await until(lambda: len(intake.payloads) == 2)
        writers[0].close()
        with pytest.raises(SourceError, match=f"{place}: connection lost \\(the far end closed it\\)"):
            await running
    assert intake.payloads == [b"1", b"2"]


async def test_nobody_there_is_one_line() -> None:
    async with echo_server() as place:
        pass
    with pytest.raises(SourceError, match=rf"^{place}: [^\n]*is it switched on, and the port right\?$"):
        async with opened(place):
            pass


class Pty(serial.Serial):
    """A pseudo-terminal has no modem lines to ask for."""

    cts = dsr = ri = cd = False


class Rfc2217Server:
    """pyserial's server on a pseudo-terminal, as its example rfc2217_server.py has it."""

    def __init__(self) -> None:
        self.device, self._line = os.openpty()
        tty.setraw(self._line)
        self.port = Pty(os.ttyname(self._line), timeout=0.01)
        self._stop = threading.Event()
        self._writer: asyncio.StreamWriter | None = None
        self._loop = asyncio.get_running_loop()
        self._manager: Any = None

    def write(self, data: bytes) -> None:
        """What PortManager wants to send."""
        assert self._writer is not None
        self._writer.write(data)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._manager = PortManager(self.port, self)
        threading.Thread(target=self._forward, daemon=True).start()
        while data := await reader.read(1024):
            self.port.write(b"".join(self._manager.filter(data)))
        writer.close()

    def _forward(self) -> None:
        while not self._stop.is_set():
            if data := self.port.read(1024):
                self._loop.call_soon_threadsafe(self.write, b"".join(self._manager.escape(data)))

    def close(self) -> None:
        self._stop.set()


async def test_rfc2217_sets_the_line_and_carries_every_byte() -> None:
    far = Rfc2217Server()
    async with await asyncio.start_server(far.serve, "127.0.0.1", 0) as server:
        place = f"rfc2217://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        # A pseudo-terminal knows no 7 bits.
        async with opened(place, SerialSettings(baudrate=19200, stopbits=2)) as (line, received):
            await until(lambda: far.port.stopbits == 2)
            assert far.port.baudrate == 19200
            every_byte = bytes(range(256))
            os.write(far.device, every_byte)
            await until(lambda: received == every_byte)
            line.write(every_byte)
            came = b""
            while len(came) < 256:
                came += await asyncio.to_thread(os.read, far.device, 1000)
            assert came == every_byte
        far.close()


async def test_what_does_not_speak_rfc2217_is_said_to_be_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("collector.sources.stream.PATIENCE", 0.1)
    async with echo_server() as place:
        with pytest.raises(SourceError, match=r"does not speak RFC 2217; try socket://"):
            async with opened(place.replace("socket", "rfc2217")):
                pass


def test_telnet_in_pieces() -> None:
    """Escapes, negotiation and subnegotiation split anywhere give the same."""
    stream = (
        b"a\xff\xffb" + bytes([255, 253, 44]) + b"c" + bytes([255, 250, 44, 101, 0, 0, 255, 255, 0, 255, 240]) + b"d"
    )
    whole = Rfc2217Client(SETTINGS)
    payload, answers = whole.feed(stream)
    assert payload == b"a\xffbcd" and whole.agreed
    for command, value in ((2, 7), (3, 3), (4, 2)):  # data bits, even parity, stop bits
        assert bytes([255, 250, 44, command, value, 255, 240]) in answers
    pieces = Rfc2217Client(SETTINGS)
    fed = [pieces.feed(stream[at : at + 1]) for at in range(len(stream))]
    assert b"".join(part for part, _ in fed) == payload
    assert b"".join(answer for _, answer in fed) == answers
    assert pieces.agreed


@pytest.fixture
def dtr(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, bool]]]:
    """What pyserial tells the driver as the port opens; a pseudo-terminal has no such lines."""
    told: list[tuple[str, bool]] = []
    monkeypatch.setattr(serial.Serial, "_update_dtr_state", lambda port: told.append(("dtr", port._dtr_state)))
    monkeypatch.setattr(serial.Serial, "_update_rts_state", lambda port: told.append(("rts", port._rts_state)))
    yield told


@pytest.mark.parametrize(("dtr_", "rts"), [(False, False), (None, None), (True, False)])
async def test_dtr_and_rts_are_as_asked_from_the_first_moment(
    dtr: list[tuple[str, bool]], dtr_: bool | None, rts: bool | None
) -> None:
    device, line = os.openpty()
    settings = SerialSettings(baudrate=9600, dtr=dtr_, rts=rts)
    async with opened(os.ttyname(line), settings):
        assert set(dtr) == {("dtr", dtr_ is not False), ("rts", rts is not False)}
    os.close(device)
    os.close(line)


async def test_it_comes_back_under_another_name(tmp_path: Path) -> None:
    """As udev does it: the link by-id points to whatever the adapter is called this time."""
    link = tmp_path / "by-id"
    source, intake = SerialSource(str(link), SerialSettings(baudrate=9600), lines), RecordingIntake()
    for turn in range(2):
        device, line = os.openpty()
        tty.setraw(line)
        name = os.ttyname(line)
        os.close(line)
        link.unlink(missing_ok=True)
        link.symlink_to(name)
        running = asyncio.create_task(source.run(intake))
        await until(lambda turn=turn: intake.connections > turn)
        os.write(device, b"%d\n" % turn)
        await until(lambda turn=turn: len(intake.payloads) > turn)
        os.close(device)
        with pytest.raises(SourceError, match="unplugged or hung up"):
            await running
        assert not open_descriptors(name), "released at once, so that the next adapter may have its name"
    assert intake.payloads == [b"0", b"1"]


async def test_a_wrong_baud_rate_is_told_and_a_right_one_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serial_source, "SILENCE", 0.1)
    device, line = os.openpty()
    tty.setraw(line)
    intake = RecordingIntake()
    running = asyncio.create_task(SerialSource(os.ttyname(line), SerialSettings(baudrate=9600), lines).run(intake))
    await until(lambda: intake.connections)
    os.write(device, b"\x00\x80\xf8" * 500)
    await until(lambda: intake.troubles)
    [(name, what)] = intake.troubles
    assert name is None and what is not None
    assert what.startswith("no valid frame in 0 s, 1,500 bytes seen, looks like baud mismatch: /dev/pts/")
    assert "is read at 9600; correct baudrate or profile" in what
    os.write(device, b"\n23.5\n")
    await until(lambda: intake.troubles[1:])
    assert intake.troubles[1] == (None, None)
    await asyncio.sleep(0.2)
    assert len(intake.troubles) == 2, "silence is no sign of a wrong baud rate"
    running.cancel()
    await asyncio.wait([running])
    os.close(device)
    os.close(line)
