"""The whole daemon, with a log that nobody reads."""

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.brokers import free_port
from tests.end_to_end.rig import until


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def configuration(tmp_path: Path, port: int) -> Path:
    file = tmp_path / "collector.toml"
    file.write_text(
        f"""
        status.listen = "127.0.0.1:{port}"
        collector.data_dir = "{tmp_path}/data"
        [sources.host]
        type = "host"
        interval = "50ms"
        [sources.gone]
        type = "serial"
        port = "{tmp_path}/no-such-port"
        profile = "nova-sds011"
        """
    )
    return file


@contextlib.contextmanager
def daemon(configuration: Path, stderr: int) -> Iterator["subprocess.Popen[bytes]"]:
    command = [sys.executable, "-m", "collector", "run", "-c", str(configuration)]
    process = subprocess.Popen(command, stderr=stderr)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def readings(port: int) -> int:
    with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/status", timeout=5) as reply:
        return int(json.load(reply)["sources"]["host"]["readings"])
    return 0


def still_works(port: int) -> None:
    until(lambda: readings(port) > 0, "the first reading")
    before = readings(port)
    until(lambda: readings(port) >= before + 10, "ten more")


@pytest.mark.fault(50)
def test_a_full_pipe(configuration: Path, port: int) -> None:
    reading, writing = os.pipe()
    os.write(writing, b"x" * fcntl.fcntl(writing, fcntl.F_GETPIPE_SZ))
    with daemon(configuration, writing) as process:
        still_works(port)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    os.close(reading)
    os.close(writing)


@pytest.mark.fault(50)
def test_a_closed_pipe(configuration: Path, port: int) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with daemon(configuration, writing) as process:
        still_works(port)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    os.close(writing)


def test_in_a_file_it_is_json_with_codes(configuration: Path, port: int, tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as log, daemon(configuration, log.fileno()) as process:
        still_works(port)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    codes = [line["event.action"] for line in lines]
    assert {"daemon.started", "source.connected", "source.lost"} < set(codes)
    assert codes[-1] == "daemon.stopping"
    lost = next(line for line in lines if line["event.action"] == "source.lost")
    assert lost["labels"] == {"source": "gone"}
    assert lost["message"].startswith("source gone: ")
