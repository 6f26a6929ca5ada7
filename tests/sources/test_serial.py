"""Real pseudo-terminals on both event loops: what a serial line does, a pty does."""

import asyncio
import contextlib
import errno
import fcntl
import os
import termios
import tty
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
import serial
import uvloop

from collector.errors import SourceError
from collector.profiles.framing.delimiter import DelimiterFraming
from collector.profiles.framing.fixed import FixedFraming
from collector.profiles.framing.framer import Framer
from collector.profiles.profile import SerialSettings
from collector.profiles.table import Hex
from collector.sources.serial import SerialSource
from collector.sources.tty import open_port
from tests.sources.intake import RecordingIntake, until

SETTINGS = SerialSettings(baudrate=9600)
TIOCVHANGUP = 0x5437


class Line:
    """The device's end of a pty."""

    def __init__(self) -> None:
        self.master, slave = os.openpty()
        tty.setraw(slave)
        self.port = os.ttyname(slave)
        os.close(slave)
        self._hung_up = False

    def send(self, data: bytes) -> None:
        os.write(self.master, data)

    def hang_up(self) -> None:
        if not self._hung_up:
            self._hung_up = True
            os.close(self.master)


@pytest.fixture
def line() -> Iterator[Line]:
    line = Line()
    yield line
    line.hang_up()


def lines() -> Framer:
    return DelimiterFraming(delimiter="\n", max_length=20).framer(None)


def telegrams() -> Framer:
    return FixedFraming(start=Hex(b"\xaa"), length=4, end=Hex(b"\xab")).framer(None)


def descriptors_of(port: str) -> int:
    found = 0
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            found += str(link.readlink()) == port
    return found


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@contextlib.asynccontextmanager
async def reading(source: SerialSource, intake: RecordingIntake) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(source.run(intake))
    try:
        await until(lambda: intake.connections or task.done())
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])


Scenario = Callable[[], Awaitable[None]]
Run = Callable[[Scenario], None]


@pytest.fixture(params=[asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    return lambda scenario: request.param(scenario())


def test_frames_however_they_are_split(run: Run, line: Line) -> None:
    async def scenario() -> None:
        intake = RecordingIntake()
        async with reading(SerialSource(line.port, SETTINGS, lines), intake):
            line.send(b"one\ntwo\nthr")
            await until(lambda: len(intake.payloads) == 2)
            line.send(b"ee")
            await asyncio.sleep(0.02)
            assert intake.payloads == [b"one", b"two"]
            line.send(b"\n")
            await until(lambda: len(intake.payloads) == 3)
        assert intake.payloads == [b"one", b"two", b"three"]
        assert not intake.refusals

    run(scenario)


def test_everything_of_a_long_burst(run: Run, line: Line) -> None:
    async def scenario() -> None:
        intake = RecordingIntake()
        expected = [b"%d" % number for number in range(20_000)]
        async with reading(SerialSource(line.port, SETTINGS, lines), intake):
            await asyncio.to_thread(_write_all, line.master, b"".join(b"%s\n" % text for text in expected))
            await until(lambda: len(intake.payloads) == len(expected))
        assert intake.payloads == expected

    run(scenario)


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def test_refused_frames_are_counted_by_reason(run: Run, line: Line) -> None:
    async def scenario() -> None:
        intake = RecordingIntake()
        async with reading(SerialSource(line.port, SETTINGS, lines), intake):
            line.send(b"x" * 50 + b"\ngood\n")
            await until(lambda: intake.payloads)
        assert intake.payloads == [b"good"]
        assert intake.refusals == {"too long": 1}
        assert line.port in intake.details[0]

    run(scenario)


def test_noise_without_a_frame_is_counted(run: Run, line: Line) -> None:
    async def scenario() -> None:
        intake = RecordingIntake()
        async with reading(SerialSource(line.port, SETTINGS, telegrams), intake):
            line.send(b"\x00\xff\x00\xff")
            await until(lambda: intake.refusals)
            line.send(b"\xaa\x01\x02\xab")
            await until(lambda: intake.payloads)
        assert intake.refusals == {"garbage": 1}
        assert intake.payloads == [b"\xaa\x01\x02\xab"]

    run(scenario)


def test_closing_the_far_end_releases_the_descriptor(run: Run, line: Line) -> None:
    async def scenario() -> None:
        intake = RecordingIntake()
        async with reading(SerialSource(line.port, SETTINGS, lines), intake) as task:
            assert descriptors_of(line.port) == 1
            line.hang_up()
            with pytest.raises(SourceError, match="unplugged or hung up"):
                await asyncio.wait_for(task, 5)
            assert descriptors_of(line.port) == 0

    run(scenario)


def test_a_hang_up_of_the_terminal_itself(run: Run, line: Line) -> None:
    """What pulling a USB adapter does: the descriptor reports an error, which libuv treats on its own."""

    async def scenario() -> None:
        intake = RecordingIntake()
        async with reading(SerialSource(line.port, SETTINGS, lines), intake) as task:
            line.send(b"last\n")
            await until(lambda: intake.payloads)
            _hang_up_terminal(line.port)
            with pytest.raises(SourceError, match="unplugged or hung up"):
                await asyncio.wait_for(task, 5)
            assert descriptors_of(line.port) == 0

    run(scenario)


def _hang_up_terminal(port: str) -> None:
    slave = os.open(port, os.O_RDWR | os.O_NOCTTY)
    try:
        fcntl.ioctl(slave, TIOCVHANGUP)
    except PermissionError:
        pytest.skip("hanging a terminal up needs CAP_SYS_ADMIN")
    finally:
        os.close(slave)


@pytest.mark.fault(40)
def test_it_opens_again_after_a_hang_up(run: Run) -> None:
    async def scenario() -> None:
        for _ in range(3):
            line, intake = Line(), RecordingIntake()
            source = SerialSource(line.port, SETTINGS, lines)
            async with reading(source, intake) as task:
                line.send(b"half a li")
                await asyncio.sleep(0.01)
                line.hang_up()
                with pytest.raises(SourceError):
                    await task
            assert intake.payloads == []

    run(scenario)


def test_a_port_in_use_is_refused(run: Run, line: Line) -> None:
    async def scenario() -> None:
        intake = RecordingIntake()
        async with reading(SerialSource(line.port, SETTINGS, lines), intake):
            with pytest.raises(SourceError, match="in use by another program") as refusal:
                await SerialSource(line.port, SETTINGS, lines).run(RecordingIntake())
            assert line.port in str(refusal.value)
            assert descriptors_of(line.port) == 1

    run(scenario)


def test_pausing_leaves_the_bytes_in_the_kernel(run: Run, line: Line) -> None:
    async def scenario() -> None:
        intake = RecordingIntake()
        source = SerialSource(line.port, SETTINGS, lines)
        source.pause(True)
        async with reading(source, intake):
            line.send(b"one\n")
            await asyncio.sleep(0.02)
            assert intake.payloads == []
            source.pause(False)
            source.pause(False)
            await until(lambda: intake.payloads == [b"one"])
            source.pause(True)
            line.send(b"two\n")
            await asyncio.sleep(0.02)
            assert intake.payloads == [b"one"]
            source.pause(False)
            await until(lambda: intake.payloads == [b"one", b"two"])

    run(scenario)


def test_a_hang_up_while_paused_shows_when_it_goes_on(run: Run, line: Line) -> None:
    async def scenario() -> None:
        source = SerialSource(line.port, SETTINGS, lines)
        async with reading(source, RecordingIntake()) as task:
            source.pause(True)
            line.hang_up()
            await asyncio.sleep(0.02)
            source.pause(False)
            with pytest.raises(SourceError):
                await asyncio.wait_for(task, 5)

    run(scenario)


def test_cancelling_closes_the_port(run: Run, line: Line) -> None:
    async def scenario() -> None:
        async with reading(SerialSource(line.port, SETTINGS, lines), RecordingIntake()) as task:
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert descriptors_of(line.port) == 0

    run(scenario)


def test_cancelling_while_it_opens_closes_the_port(run: Run, line: Line) -> None:
    async def scenario() -> None:
        task = asyncio.create_task(SerialSource(line.port, SETTINGS, lines).run(RecordingIntake()))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await until(lambda: descriptors_of(line.port) == 0)

    run(scenario)


def test_an_error_of_the_intake_ends_the_source(run: Run, line: Line) -> None:
    class FailingIntake(RecordingIntake):
        def frames(self, frames: object) -> None:
            raise OSError(errno.EIO, "the disk is gone")

    async def scenario() -> None:
        async with reading(SerialSource(line.port, SETTINGS, lines), FailingIntake()) as task:
            line.send(b"one\n")
            with pytest.raises(OSError, match="the disk is gone"):
                await asyncio.wait_for(task, 5)
            assert descriptors_of(line.port) == 0

    run(scenario)


def test_a_missing_port_names_those_that_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("collector.sources.tty._ports", lambda: ["/dev/ttyUSB7"])
    with pytest.raises(SourceError, match=r"/dev/ttyUSB99: no such port.*Ports here: /dev/ttyUSB7"):
        open_port("/dev/ttyUSB99", SETTINGS)


def test_no_permission_names_the_group(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **settings: object) -> None:
        raise serial.SerialException(errno.EACCES, "could not open port")

    monkeypatch.setattr(serial, "Serial", refuse)
    with pytest.raises(SourceError, match="add the user to the dialout group"):
        open_port("/dev/ttyUSB0", SETTINGS)


@pytest.mark.parametrize("port", ["/dev/null", "/dev"])
def test_what_is_no_terminal(port: str) -> None:
    before = open_descriptors()
    with pytest.raises(SourceError, match=f"^{port}: not a serial port; name another. Ports here: [^()]*$"):
        open_port(port, SETTINGS)
    assert open_descriptors() == before


@pytest.mark.parametrize("caught", [None, termios.error(errno.EIO, "Input/output error")])
def test_a_port_that_fails_is_named_once(monkeypatch: pytest.MonkeyPatch, caught: termios.error | None) -> None:
    def refuse(*arguments: object, **settings: object) -> None:
        if caught is None:
            raise serial.SerialException(errno.EIO, "could not open port /dev/ttyUSB0: [Errno 5] Input/output error")
        try:
            raise caught
        except termios.error as error:
            raise serial.SerialException(f"Could not configure port: {error}")  # noqa: B904

    monkeypatch.setattr(serial, "Serial", refuse)
    with pytest.raises(SourceError) as refusal:
        open_port("/dev/ttyUSB0", SETTINGS)
    assert str(refusal.value) == "/dev/ttyUSB0: Input/output error; unplug it and plug it in again"


def test_errors_are_one_line(line: Line) -> None:
    with pytest.raises(SourceError) as refusal:
        open_port("/dev/null", SETTINGS)
    assert "\n" not in str(refusal.value)


def test_the_line_is_set_as_asked(line: Line) -> None:
    settings = SerialSettings(baudrate=2400, bytesize=7, parity="even", stopbits=2)
    with open_port(line.port, settings) as port:
        assert (port.baudrate, port.bytesize, port.parity, port.stopbits) == (2400, 7, "E", 2)
        with pytest.raises(BlockingIOError):
            os.read(port.fileno(), 1)
