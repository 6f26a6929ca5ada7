"""The daemon behind its walls, behind a container's as well, and where there are none to be had."""

import contextlib
import json
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.sandbox import wall
from collector.sandbox.profile import profile
from tests.brokers import free_port
from tests.end_to_end.rig import Program, until

pytestmark = pytest.mark.skipif(bool(wall.prospect("enforce").missing), reason="this kernel or a library lacks a wall")

LANDLOCK = {"landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self"}


class Daemon(Program):
    """With a host source, a file sink and a status port."""

    def __init__(self, directory: Path, *before: str, mode: str = "enforce") -> None:
        self.port = free_port()
        configuration = directory / "collector.toml"
        configuration.write_text(
            f"""
            collector.data_dir = "{directory}/data"
            status.listen = "127.0.0.1:{self.port}"
            sandbox.mode = "{mode}"
            sources.host = {{ type = "host", interval = "50ms" }}
            sinks.archive = {{ type = "file", path = "{directory}/readings.jsonl" }}
            """
        )
        super().__init__(directory, "run", "-c", str(configuration))
        if before:
            self.command = [sys.executable, *before]

    def get(self, path: str) -> str:
        with (
            contextlib.suppress(OSError),
            urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as r,
        ):
            return str(r.read().decode())
        return ""

    def events(self) -> list[str]:
        return [json.loads(line)["event.action"] for line in self.log.read_text().splitlines()]


@contextlib.contextmanager
def working(daemon: Daemon) -> Iterator[Daemon]:
    """Ready, with readings in the file; ends well."""
    daemon.start()
    try:
        until(lambda: "passed" in daemon.get("/readyz"), "the daemon")
        readings = daemon.log.with_name("readings.jsonl")
        until(lambda: readings.exists() and readings.read_bytes().count(b"\n") > 3, "readings in the file")
        yield daemon
        assert daemon.end(signal.SIGTERM) == 0
    finally:
        daemon.close()


def line(daemon: Daemon) -> str:
    [said] = [said for said in daemon.get("/readyz?verbose").splitlines() if "sandbox" in said]
    return said


@pytest.mark.fault(48)
def test_every_thread_is_behind_the_walls(tmp_path: Path) -> None:
    with working(Daemon(tmp_path)) as daemon:
        tasks = list(Path(f"/proc/{daemon.pid}/task").iterdir())
        assert len(tasks) > 3
        for task in tasks:
            fields = dict(entry.split(":\t") for entry in (task / "status").read_text().splitlines() if ":\t" in entry)
            assert (fields["Seccomp"].strip(), fields["NoNewPrivs"].strip()) == ("2", "1")
        assert line(daemon).startswith("[+]sandbox: enforce, Landlock ABI ")
        assert not [fd for fd in Path(f"/proc/{daemon.pid}/fd").iterdir() if "io_uring" in str(fd.readlink())]
        assert daemon.events().count("sandbox.incomplete") == 0


@pytest.mark.fault(48)
def test_a_container_without_landlock_is_one_warning(tmp_path: Path) -> None:
    """Also: the profile for containers is enough to start in and to work in."""
    told = profile()
    for rule in told["syscalls"]:
        rule["names"] = [name for name in rule["names"] if name not in LANDLOCK]
    (tmp_path / "profile.json").write_text(json.dumps(told))
    with working(Daemon(tmp_path, "-m", "tests.sandbox.contained", str(tmp_path / "profile.json"))) as daemon:
        assert line(daemon).startswith("[+]sandbox: enforce, no Landlock, seccomp ")
        assert "let the container or unit allow" in line(daemon)
        assert daemon.events().count("sandbox.incomplete") == 1


def test_in_a_container_both_walls_stand(tmp_path: Path) -> None:
    (tmp_path / "profile.json").write_text(json.dumps(profile()))
    with working(Daemon(tmp_path, "-m", "tests.sandbox.contained", str(tmp_path / "profile.json"))) as daemon:
        assert daemon.events().count("sandbox.incomplete") == 0


@pytest.mark.fault(48)
def test_without_libseccomp_landlock_stands_alone(tmp_path: Path) -> None:
    for name in ("seccomp", "pyseccomp"):
        (tmp_path / f"{name}.py").write_text("raise ImportError\n")
    daemon = Daemon(tmp_path)
    daemon.environment["PYTHONPATH"] = f"{tmp_path}:{daemon.environment.get('PYTHONPATH', '')}"
    with working(daemon):
        assert "Landlock ABI" in line(daemon)
        assert "no seccomp; no libseccomp; apt install python3-seccomp, or pip install pyseccomp" in line(daemon)
        assert daemon.events().count("sandbox.incomplete") == 1


def test_log_refuses_nothing(tmp_path: Path) -> None:
    with working(Daemon(tmp_path, mode="log")) as daemon:
        assert line(daemon).startswith("[+]sandbox: log, no Landlock, seccomp ")
        assert daemon.events().count("sandbox.incomplete") == 0


def test_the_profile_is_json_that_runtimes_know() -> None:
    said = subprocess.run([sys.executable, "-m", "collector.sandbox.profile"], capture_output=True, check=True)
    printed = json.loads(said.stdout)
    assert printed == profile()
    assert printed["defaultAction"] == "SCMP_ACT_ERRNO"
    by_name = {name: rule for rule in printed["syscalls"] for name in rule["names"]}
    assert by_name["clone3"] == {**by_name["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38}
    assert not {"ptrace", "mount", "bpf", "unshare", "init_module"} & by_name.keys()
    assert by_name["execve"]["action"] == "SCMP_ACT_ALLOW"
