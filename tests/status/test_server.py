"""A real uvicorn, met by clients that behave and clients that do not."""

import asyncio
import contextlib
import signal
import socket
import stat
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import uvloop

from collector.errors import CollectorError
from collector.status import server
from collector.status.app import StatusApp
from collector.status.report import Report
from collector.status.server import CONNECTIONS, serve
from tests.brokers import free_port
from tests.status.reports import busy_report

Scenario = Callable[[], Awaitable[None]]
Run = Callable[[Scenario], None]


@pytest.fixture(params=[asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    return lambda scenario: request.param(scenario())


Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def connect(listen: str) -> Streams:
    if listen.startswith("unix:"):
        return await asyncio.open_unix_connection(listen.removeprefix("unix:"))
    host, _, port = listen.rpartition(":")
    return await asyncio.open_connection(host.strip("[]"), int(port))


@contextlib.asynccontextmanager
async def serving(listen: str, report: Callable[[], Report] = busy_report) -> AsyncIterator["asyncio.Task[None]"]:
    task = asyncio.create_task(serve(listen, StatusApp(report)))
    async with asyncio.timeout(5):
        while not task.done():
            with contextlib.suppress(OSError):
                _, writer = await connect(listen)
                writer.close()
                break
            await asyncio.sleep(0.005)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])


async def get(listen: str, target: str = "/livez", head: str = "", method: str = "GET") -> bytes:
    reader, writer = await connect(listen)
    try:
        writer.write(f"{method} {target} HTTP/1.1\r\nHost: x\r\n{head}\r\n".encode())
        async with asyncio.timeout(5):
            return await reader.read()
    finally:
        writer.close()


def test_over_tcp(run: Run) -> None:
    async def scenario() -> None:
        listen = f"127.0.0.1:{free_port()}"
        async with serving(listen):
            answer = await get(listen)
            assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
            assert b"connection: close\r\n" in answer
            assert answer.endswith(b"livez check passed\n")
            assert b'"remainder":0' in await get(listen, "/status")
            assert b"edge_collector_spool_bytes" in await get(listen, "/metrics")

    run(scenario)


def test_over_ipv6(run: Run) -> None:
    try:
        port = free_port("::1")
    except OSError:
        pytest.skip("no IPv6 here")

    async def scenario() -> None:
        async with serving(f"[::1]:{port}"):
            assert b"200 OK" in await get(f"[::1]:{port}")

    run(scenario)


def test_over_a_unix_socket(run: Run, tmp_path: Path) -> None:
    async def scenario() -> None:
        path = tmp_path / "status.sock"
        async with serving(f"unix:{path}"):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            assert b"200 OK" in await get(f"unix:{path}")
        assert not path.exists()

    run(scenario)


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/status", "/metrics"])
async def test_head_has_no_body(path: str) -> None:
    listen = f"127.0.0.1:{free_port()}"
    async with serving(listen):
        answer = await get(listen, path, method="HEAD")
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
        assert answer.endswith(b"\r\n\r\n")


async def test_a_fault_of_our_own_is_an_answer() -> None:
    def no_report() -> Report:
        raise RuntimeError("a bug")

    listen = f"127.0.0.1:{free_port()}"
    async with serving(listen, no_report):
        for path in ("/livez", "/status", "/metrics"):
            answer = await get(listen, path)
            assert answer.startswith(b"HTTP/1.1 500 ") and b'{"error":"internal error; ' in answer


async def test_a_body_is_ignored() -> None:
    listen = f"127.0.0.1:{free_port()}"
    async with serving(listen):
        answer = await get(listen, "/livez", "Content-Length: 1000000000\r\n")
        assert b"200 OK" in answer


async def test_an_upgrade_is_not_followed() -> None:
    listen = f"127.0.0.1:{free_port()}"
    async with serving(listen):
        assert b"200 OK" in await get(listen, "/livez", "Connection: Upgrade\r\nUpgrade: websocket\r\n")


@pytest.mark.parametrize("garbage", [b"\x16\x03\x01\x02\x00\r\n\r\n", b"GET / HTTP/1.1\r\nA: " + b"x" * 100_000])
async def test_garbage_ends_its_own_connection_only(garbage: bytes, caplog: pytest.LogCaptureFixture) -> None:
    listen = f"127.0.0.1:{free_port()}"
    async with serving(listen):
        reader, writer = await connect(listen)
        writer.write(garbage)
        with contextlib.suppress(ConnectionError):
            assert (await asyncio.wait_for(reader.read(), 5)).startswith(b"HTTP/1.1 4")
        writer.close()
        assert b"200 OK" in await get(listen)
    assert not caplog.records


def test_half_open_clients_shut_nobody_out(run: Run) -> None:
    async def scenario() -> None:
        listen = f"127.0.0.1:{free_port()}"
        before = _descriptors()
        async with serving(listen):
            clients = [await connect(listen) for _ in range(3 * CONNECTIONS)]
            for _, writer in clients:
                writer.write(b"GET /livez HTTP/1.1\r\nHost:")
            for _ in range(5):
                began = time.monotonic()
                assert b"200 OK" in await get(listen)
                assert time.monotonic() - began < 1
            held = _descriptors() - before - len(clients)
            assert held <= CONNECTIONS + 2
            for _, writer in clients:
                writer.close()

    run(scenario)


def _descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.parametrize("sent", [b"", b"GET /livez HTTP/1.1\r\nHost: x\r\nX-Slow: "], ids=["idle", "half a head"])
@pytest.mark.fault(51)
def test_a_slow_client_is_ended(run: Run, monkeypatch: pytest.MonkeyPatch, sent: bytes) -> None:
    monkeypatch.setattr(server, "LIFETIME", 0.3)

    async def scenario() -> None:
        listen = f"127.0.0.1:{free_port()}"
        async with serving(listen):
            reader, writer = await connect(listen)
            began = time.monotonic()
            writer.write(sent)
            with contextlib.suppress(ConnectionError):
                while True:  # a byte now and then does not help
                    with contextlib.suppress(TimeoutError):
                        if await asyncio.wait_for(reader.read(1), 0.05) == b"":
                            break
                    if sent:
                        writer.write(b"x")
            assert 0.2 < time.monotonic() - began < 2
            writer.close()

    run(scenario)


def test_cancelling_ends_it_soon_and_frees_the_port(run: Run) -> None:
    async def scenario() -> None:
        listen = f"127.0.0.1:{free_port()}"
        for _ in range(2):
            async with serving(listen) as task:
                _, writer = await connect(listen)  # one that would wait
                writer.write(b"GET /li")
                await get(listen)
                began = time.monotonic()
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                assert time.monotonic() - began < 1.5
                writer.close()

    run(scenario)


async def test_signals_stay_with_the_daemon() -> None:
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    listen = f"127.0.0.1:{free_port()}"
    async with serving(listen):
        await get(listen)
        assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers


async def test_a_port_in_use_is_one_clear_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        listen = f"127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(CollectorError) as refusal:
            await serve(listen, StatusApp(busy_report))
        assert str(refusal.value) == f"status: {listen} is in use; set status.listen"
    async with serving(listen):  # and it may be tried again
        assert b"200 OK" in await get(listen)


@pytest.mark.parametrize(
    ("listen", "says"),
    [
        ("192.0.2.1:8080", "is no address of this machine"),
        ("8080", "not an address"),
        ("unix:relative.sock", "absolute path"),
        ("unix:/nonexistent/status.sock", "No such file or directory"),
        ("unix:/" + "x" * 200, "too long"),
        ("no.such.host.invalid:80", "cannot be listened on"),
    ],
)
async def test_what_cannot_be_listened_on(listen: str, says: str) -> None:
    with pytest.raises(CollectorError, match=says) as refusal:
        await serve(listen, StatusApp(busy_report))
    assert "\n" not in str(refusal.value)
    assert "status" in str(refusal.value)


async def test_a_stale_socket_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "status.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    async with serving(f"unix:{path}"):
        assert b"200 OK" in await get(f"unix:{path}")


async def test_a_socket_in_use_stays(tmp_path: Path) -> None:
    path = tmp_path / "status.sock"
    async with serving(f"unix:{path}"):
        with pytest.raises(CollectorError, match="is in use"):
            await serve(f"unix:{path}", StatusApp(busy_report))
        assert b"200 OK" in await get(f"unix:{path}")


@pytest.mark.parametrize("kind", ["file", "directory", "link to a file"])
async def test_a_file_in_the_way_is_never_deleted(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "status.sock"
    precious = tmp_path / "precious"
    precious.write_text("precious")
    if kind == "file":
        path.write_text("precious")
    elif kind == "directory":
        path.mkdir()
    else:
        path.symlink_to(precious)
    with pytest.raises(CollectorError, match="not a socket"):
        await serve(f"unix:{path}", StatusApp(busy_report))
    path.lstat()
    assert precious.read_text() == "precious"
