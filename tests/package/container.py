"""A Debian booted by systemd-nspawn, with a loopback of its own and no other network."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

ENVIRONMENT = {
    "HOME": "/root",
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG": "C.UTF-8",
    "DEBIAN_FRONTEND": "noninteractive",
}


class Container:
    def __init__(self, tree: Path) -> None:
        self.tree = tree

    def __enter__(self) -> Self:
        # Older versions keep Landlock from the container; newer ones allow it anyway.
        landlock = "landlock_create_ruleset landlock_add_rule landlock_restrict_self"
        self._log = (self.tree.parent / f"{self.tree.name}.log").open("wb")
        options = [f"--directory={self.tree}", f"--machine=package-{os.getpid()}", "--register=no", "--keep-unit"]
        options += ["--private-network", "--timezone=off", "--resolv-conf=off", "--console=pipe"]
        self._nspawn = subprocess.Popen(
            ["systemd-nspawn", "--quiet", "--boot", *options, f"--system-call-filter={landlock}"],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
        )
        try:
            until(self._booted, "the container to boot", 60)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._nspawn.send_signal(signal.SIGTERM)  # a power-off, in an orderly manner
        try:
            self._nspawn.wait(30)
        except subprocess.TimeoutExpired:
            self._nspawn.kill()
            self._nspawn.wait()
        self._log.close()
        Path(self._log.name).unlink()

    def _booted(self) -> bool:
        if self._nspawn.poll() is not None:
            raise Unbootable(Path(self._log.name).read_text("utf-8", "replace").strip())
        children = Path(f"/proc/{self._nspawn.pid}/task/{self._nspawn.pid}/children").read_text().split()
        if not children:
            return False
        self._leader = children[0]
        return self.sh("systemctl is-system-running", check=False).strip() in ("running", "degraded")

    def start(self, script: str) -> "subprocess.Popen[str]":
        command = ["nsenter", f"--target={self._leader}", "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup"]
        command += ["env", "--ignore-environment", *(f"{key}={value}" for key, value in ENVIRONMENT.items())]
        return subprocess.Popen(
            [*command, "bash", "-c", script],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
        )

    def sh(self, script: str, *, check: bool = True, timeout: float = 180) -> str:
        """What it printed, errors too. Raises Failed with it where it fails."""
        process = self.start(script)
        try:
            output, _ = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            output, _ = process.communicate()
            raise Failed(f"{script}: not done after {timeout:.0f} s\n{output}") from None
        if check and process.returncode != 0:
            raise Failed(f"{script}: exit code {process.returncode}\n{output}")
        return output

    def write(self, path: str, text: str) -> None:
        place = self.tree / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, "utf-8")

    def unit(self, name: str) -> str:
        """A property of the service."""
        return self.sh(f"systemctl show --value --property={name} edge-collector").strip()

    def active(self) -> bool:
        return self.unit("ActiveState") == "active"

    def journal(self) -> str:
        return self.sh("journalctl --boot --no-pager --output=cat --unit=edge-collector")

    def metrics(self) -> dict[str, float]:
        """By name with labels. Empty while nobody answers."""
        ask = """import urllib.request as u; print(u.urlopen("http://127.0.0.1:8080/metrics").read().decode())"""
        text = self.sh(f"python3 -c '{ask}'", check=False)
        found = {}
        for line in text.splitlines():
            name, _, value = line.rpartition(" ")
            if name.startswith("edge_collector_"):
                found[name.removeprefix("edge_collector_")] = float(value)
        return found


class Failed(Exception):
    """Something is not as the package promises it."""


class Unbootable(Exception):
    """nspawn cannot boot a system here."""


def until(condition: Callable[[], object], what: str, seconds: float) -> None:
    """Raises Failed."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise Failed(f"waited {seconds:.0f} s for {what}")
        time.sleep(0.2)
