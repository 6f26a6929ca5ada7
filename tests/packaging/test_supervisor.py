"""The program section under a real supervisord: crash, reload, log rotation, and a stop in order."""

import configparser
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.brokers import free_port, mosquitto_binary
from tests.end_to_end.rig import until

pytest.importorskip("supervisor", reason="supervisor is not installed (pip, extra dev)")

SECTION = Path(__file__).parents[2] / "packaging/supervisor/edge-collector.conf"
PROGRAM = "program:edge-collector"


class Supervisord:
    """With the section as it is shipped, but for the places and the size of the log; and a broker beside it."""

    def __init__(self, directory: Path) -> None:
        self._file = directory / "supervisord.conf"
        self.collector_log = directory / "collector.log"
        self.log = directory / "supervisord.log"
        shipped = configparser.ConfigParser(inline_comment_prefixes=(";",), interpolation=None)
        shipped.read_string(SECTION.read_text())
        section = shipped[PROGRAM]
        port = free_port()
        configuration = directory / "collector.toml"
        configuration.write_text(
            f"""
            collector.data_dir = "{directory}/data"
            status.listen = "unix:{directory}/s"
            sources.meter = {{ type = "mqtt", url = "mqtt://127.0.0.1:{port}", topics = ["a"], profile = "json-lines" }}
            sinks.archive = {{ type = "file", path = "{directory}/readings.jsonl" }}
            """
        )
        section["command"] = f"{sys.executable} -m collector run -c {configuration}"
        section["directory"] = str(directory)
        section["stdout_logfile"] = str(self.collector_log)
        section["stdout_logfile_maxbytes"] = "2KB"
        section["stdout_logfile_backups"] = "9"
        section["startsecs"] = "1"
        del section["user"]
        shipped["program:broker"] = {"command": f"{mosquitto_binary()} -p {port}", "priority": "100"}
        shipped["supervisord"] = {"logfile": str(self.log), "pidfile": f"{directory}/pid", "user": "root"}
        if os.getuid() != 0:
            del shipped["supervisord"]["user"]
        shipped["unix_http_server"] = {"file": f"{directory}/control"}
        shipped["supervisorctl"] = {"serverurl": f"unix://{directory}/control"}
        factory = "supervisor.rpcinterface:make_main_rpcinterface"
        shipped["rpcinterface:supervisor"] = {"supervisor.rpcinterface_factory": factory}
        with self._file.open("w") as file:
            shipped.write(file)
        command = [sys.executable, "-m", "supervisor.supervisord", "--nodaemon", "-c", str(self._file)]
        environment = {key: value for key, value in os.environ.items() if key != "RUNTIME_DIRECTORY"}
        self.process = subprocess.Popen(command, cwd=directory, env=environment, stdout=subprocess.DEVNULL)

    def control(self, *command: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "supervisor.supervisorctl", "-c", str(self._file), *command],
            capture_output=True,
            text=True,
            timeout=60,
        )
        return done.stdout

    def pid(self, start: int) -> int:
        """Of the collector once it works, after so many starts."""
        until(lambda: self.events().count("daemon.started") == start, f"start {start} of the collector")
        until(lambda: "RUNNING" in self.control("status", "edge-collector"), "the collector to run")
        return int(self.control("pid", "edge-collector"))

    def events(self) -> list[str]:
        """Of the collector's log, rotated or not, oldest first."""
        files = sorted(self.collector_log.parent.glob("collector.log*"), reverse=True)
        lines = [line for file in files for line in file.read_text().splitlines()]
        return [json.loads(line)["event.action"] for line in lines if line.startswith("{")]


@pytest.fixture
def supervisord(tmp_path: Path) -> Iterator[Supervisord]:
    if mosquitto_binary() is None:
        pytest.skip("mosquitto is not installed")
    supervisord = Supervisord(tmp_path)
    yield supervisord
    if supervisord.process.poll() is None:
        supervisord.process.terminate()  # it stops its programs first
    supervisord.process.wait(60)


@pytest.mark.slow
def test_crash_reload_log_rotation_and_stop(supervisord: Supervisord) -> None:
    os.kill(supervisord.pid(1), signal.SIGKILL)
    supervisord.pid(2)
    supervisord.control("signal", "HUP", "edge-collector")
    os.kill(supervisord.pid(3), signal.SIGTERM)
    assert "exited: edge-collector (exit status 75; not expected)" in supervisord.log.read_text()
    until(lambda: "EXITED" in supervisord.control("status", "edge-collector"), "it to stay stopped")
    supervisord.control("start", "edge-collector")
    supervisord.pid(4)
    assert list(supervisord.collector_log.parent.glob("collector.log.?")), "the log was never rotated"

    supervisord.process.terminate()
    assert supervisord.process.wait(60) == 0
    stopped = [line for line in supervisord.log.read_text().splitlines() if "stopped: " in line]
    assert [line.partition("stopped: ")[2] for line in stopped] == [
        *("edge-collector (exit status 0)", "broker (exit status 0)")
    ], "the collector first, then the broker"
    assert supervisord.events()[-1] == "daemon.stopping", "in order, and before it missed the broker"
