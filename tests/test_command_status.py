"""The `status` command against a real status server."""

import argparse
import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from collector.commands import status, status_text
from collector.status import client
from collector.status.app import StatusApp
from collector.status.report import Check, ClockReport, Report
from collector.status.server import serve
from tests.status.reports import busy_report, well_report


@contextmanager
def daemon(listen: str, report: Report, token: bytes | None = None) -> Iterator[None]:
    """A status server in a loop of its own, as the command's other end."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    app = StatusApp(lambda: report, (lambda: token) if token is not None else None)
    serving = asyncio.run_coroutine_threadsafe(serve(listen, app), loop)
    asyncio.run_coroutine_threadsafe(asyncio.sleep(0.1), loop).result()
    try:
        yield
    finally:
        serving.cancel()
        asyncio.run_coroutine_threadsafe(asyncio.sleep(0.3), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.fixture
def listen(tmp_path: Path) -> str:
    return f"unix:{tmp_path / 'status.sock'}"


def ask(folder: Path, listen: str | None, *options: str, token_file: str | None = None) -> int:
    """Runs the command as the command line would."""
    lines = ['collector.id = "greenhouse-01"', "[status]"]
    if listen is not None:
        lines.append(f'listen = "{listen}"')
    if token_file is not None:
        lines.append(f'token_file = "{token_file}"')
    file = folder / "collector.toml"
    file.write_text("\n".join(lines))
    parser = argparse.ArgumentParser()
    status.add_to(parser.add_subparsers())
    arguments = parser.parse_args(["status", "-c", str(file), *options])
    code: int = arguments.func(arguments)
    return code


def test_for_a_person(tmp_path: Path, listen: str, capsys: pytest.CaptureFixture[str]) -> None:
    with daemon(listen, busy_report()):
        assert ask(tmp_path, listen) == 0
    shown = capsys.readouterr().out
    assert "greenhouse-01: edge-collector 0.1.0, up 1 d 2 h" in shown
    assert "42 readings pending, the oldest for 1 min 15 s; 3.0 MiB of 256.0 MiB in use" in shown
    assert "flash: 5.0 MiB written since start, 2,621 B a reading, 4.6 MiB a day at this rate" in shown
    ledger = shown[shown.index("Ledger") :].splitlines()
    assert ledger[1].split() == ["sink", "received", "delivered", "pending", "dropped", "dead", "remainder"]
    assert ledger[2].split() == ["cloud", "1,000", "950", "40", "8", "2", "0"]
    assert "source air is waiting, tried again by itself: /dev/ttyUSB0: no such port" in shown
    assert "sink backup refuses us (0x87 not authorised): correct its credentials" in shown
    assert "edge-collector spool dead --sink cloud" in shown


def test_json_is_what_the_daemon_said(tmp_path: Path, listen: str, capsys: pytest.CaptureFixture[str]) -> None:
    with daemon(listen, busy_report()):
        assert ask(tmp_path, listen, "--json") == 0
    assert json.loads(capsys.readouterr().out) == json.loads(busy_report().to_json())


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_another_collector_answers(
    tmp_path: Path, listen: str, capsys: pytest.CaptureFixture[str], options: tuple[str, ...]
) -> None:
    report = busy_report()
    report.collector = "cellar\n02"
    with daemon(listen, report):
        assert ask(tmp_path, listen, *options) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert f'collector "cellar\\n02" answers on {listen}, not "greenhouse-01"; give each' in err


def test_over_tcp_with_a_token(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        listen = f"127.0.0.1:{probe.getsockname()[1]}"
    token = tmp_path / "token"
    token.write_text("s3cret\n")
    token.chmod(0o600)
    with daemon(listen, well_report(), b"s3cret"):
        assert ask(tmp_path, listen, token_file="token") == 0
        assert "Nothing to do." in capsys.readouterr().out
        token.write_text("old")
        assert ask(tmp_path, listen, token_file="token") == 1
    said = capsys.readouterr().err
    assert "refuses our token" in said
    assert "old" not in said


@pytest.mark.parametrize("listen", ["unix:/nonexistent/status.sock", "127.0.0.1:1"])
def test_without_a_daemon(tmp_path: Path, listen: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(tmp_path, listen) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert f"nothing answers on {listen}" in said
    assert "systemctl status edge-collector" in said


def test_a_daemon_that_hangs(
    tmp_path: Path, listen: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "_TIMEOUT", 0.1)
    with socket.socket(socket.AF_UNIX) as mute:
        mute.bind(listen.removeprefix("unix:"))
        mute.listen()
        assert ask(tmp_path, listen) == 1
    assert "journalctl -u edge-collector" in capsys.readouterr().err


def test_something_else_answers(tmp_path: Path, listen: str, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(listen.removeprefix("unix:"))
        other.listen()

        def answer() -> None:
            peer, _ = other.accept()
            with peer:
                peer.recv(4096)
                peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")

        thread = threading.Thread(target=answer)
        thread.start()
        assert ask(tmp_path, listen) == 1
        thread.join()
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "not a collector's /status" in said


def test_a_wrong_configuration(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(tmp_path, "8080") == 2
    assert "listen" in capsys.readouterr().err


def test_on_a_terminal_rich_draws_it(
    tmp_path: Path, listen: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    with daemon(listen, busy_report()):
        assert ask(tmp_path, listen) == 0
    shown = capsys.readouterr().out
    assert "remainder" in shown
    assert "1,000" in shown
    assert "What to do" in shown


def test_the_report_survives_the_way_through_json() -> None:
    assert msgspec.json.decode(busy_report().to_json(), type=Report) == busy_report()


class TestWhatToDo:
    def test_nothing_when_all_is_well(self) -> None:
        assert list(status_text.what_to_do(well_report())) == []

    def test_books_that_do_not_balance(self) -> None:
        report = well_report()
        report.sinks["cloud"].ledger.received += 1
        assert "the books of sink cloud do not balance" in "".join(status_text.what_to_do(report))

    def test_a_full_spool_a_bad_clock_and_a_failed_check(self) -> None:
        report = well_report()
        report.spool.bytes = report.spool.limit_bytes
        report.clock.synchronised = False
        report.alive.append(Check("disk thread", ok=False, detail="no answer for 12 s"))
        advice = "\n".join(status_text.what_to_do(report))
        assert "spool is nearly full" in advice
        assert "clock is not synchronised" in advice
        assert "disk thread does not live (no answer for 12 s)" in advice


def test_that_delivery_waits_for_the_clock_is_told() -> None:
    report = well_report()
    report.clock = ClockReport(synchronised=False, steps=2, wait_seconds=80)
    assert (
        "clock: NOT synchronised; delivery waits for it, 1 min 20 s more at most; steps since start: 2"
        in status_text.summary(report)
    )


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (75, "1 min 15 s"), (3600, "1 h 0 min"), (273_600, "3 d 4 h")]
)
def test_durations(seconds: float, text: str) -> None:
    assert status_text.duration(seconds) == text


@pytest.mark.parametrize(("amount", "text"), [(12, "12 B"), (1536, "1.5 KiB"), (3 * 2**30, "3.0 GiB")])
def test_sizes(amount: int, text: str) -> None:
    assert status_text.size(amount) == text
