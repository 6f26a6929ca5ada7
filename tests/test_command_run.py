"""The `run` command: what the world lacks at the start is waited for."""

import json
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.end_to_end.rig import until
from tests.log.test_daemon import daemon


def test_a_file_sinks_directory_may_come_later(tmp_path: Path) -> None:
    readings, log = tmp_path / "disk" / "readings.jsonl", tmp_path / "log"
    configuration = tmp_path / "collector.toml"
    configuration.write_text(
        f"""
        collector.data_dir = "{tmp_path}/data"
        collector.id = "box"
        status.listen = "unix:{tmp_path}/status.sock"
        sources.host = {{ type = "host", interval = "50ms" }}
        sinks.disk = {{ type = "file", path = "{readings}", backoff = {{ min = "20ms", max = "100ms" }} }}
        """
    )
    with log.open("wb") as stderr, daemon(configuration, stderr.fileno()) as process:
        until(lambda: "sink.backoff" in log.read_text(), "the sink waits")
        readings.parent.mkdir()
        until(lambda: readings.exists() and readings.read_bytes().count(b"\n") > 3, "readings in the file")
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    said = [(line["event.action"], line["message"]) for line in lines if line["log.level"] != "info"]
    assert [code for code, _ in said] == ["config.warning", "sink.backoff"]
    assert all(str(readings.parent) in message for _, message in said)
    first = json.loads(readings.read_text().splitlines()[0])["id"]
    assert first.startswith("box/") and first.endswith("/1"), "nothing from before is missing"


@pytest.mark.parametrize("ignored", [False, True], ids=["a terminal that is closed", "under nohup"])
def test_sighup_without_a_service_manager(tmp_path: Path, ignored: bool) -> None:
    """Nobody would start it again: it ends as for SIGTERM, and under nohup goes on."""
    configuration = tmp_path / "collector.toml"
    configuration.write_text(f'status.listen = "unix:{tmp_path}/s"\nsources.host = {{ type = "host" }}\n')
    terminal, stderr = pty.openpty()
    command = [sys.executable, "-m", "collector", "run", "-c", str(configuration)]
    command = ["sh", "-c", 'trap "" HUP; exec "$@"', "-", *command] if ignored else command
    process = subprocess.Popen(command, stderr=stderr)
    try:
        until(lambda: (tmp_path / "s").exists(), "the daemon")
        process.send_signal(signal.SIGHUP)
        if ignored:
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(0.5)
            process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.wait()
        os.close(terminal)
        os.close(stderr)


def test_a_sighup_while_it_starts_reloads_once_it_can(tmp_path: Path) -> None:
    configuration = tmp_path / "collector.toml"
    configuration.write_text(f'status.listen = "unix:{tmp_path}/s"\nsources.host = {{ type = "host" }}\n')
    command = [sys.executable, "-c", _SIGNALLED_EARLY, "run", "-c", str(configuration)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=30)
    assert done.returncode == 75, done.stderr
    assert done.stderr.count("daemon.reloading") == 1, done.stderr


_SIGNALLED_EARLY = """
import os, signal, sys
import collector.confine
real = collector.confine.confine
def signalled(loaded):
    for _ in range(3):
        os.kill(os.getpid(), signal.SIGHUP)
    return real(loaded)
collector.confine.confine = signalled
from collector.cli import main
sys.exit(main())
"""
