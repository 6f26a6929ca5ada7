"""A daemon's surroundings to try `attacks` in, and the README's table of what came of it.

`python -m tests.sandbox.ground`, as root, renews the table.
"""

import json
import os
import pty
import re
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.brokers import free_port

README = Path(__file__).parents[2] / "README.md"
_TABLE = re.compile("(<!-- attacks:[^>]*-->\\n).*?(<!-- /attacks -->)", re.DOTALL)


class Ground:
    """A configuration, and what lies and listens around it."""

    def __init__(self, directory: Path) -> None:
        self.data, self.outside = directory / "own" / "data", directory / "elsewhere"
        for place in (self.data, self.outside):
            place.mkdir(parents=True)
        (self.outside / "program").write_text("nothing that could run")
        (self.outside / "program").chmod(0o755)
        self.configuration = directory / "own" / "collector.toml"

    def attacked(self, mode: str) -> dict[str, str]:
        """Row -> outcome."""
        for made in [*self.data.iterdir(), *self.outside.iterdir()]:
            if made.name != "program":
                made.unlink()
        (self.outside / "victim").touch()
        controller, terminal = pty.openpty()
        with (
            socket.create_server(("127.0.0.1", 0)) as tcp,
            socket.socket(socket.AF_UNIX) as abstract,
            subprocess.Popen(["/bin/sleep", "60"]) as victim,
        ):
            abstract.bind("")  # a name of the kernel's choice
            abstract.listen()
            self.configuration.write_text(
                f"""
                collector.data_dir = "{self.data}"
                status.listen = "127.0.0.1:{free_port()}"
                sandbox.mode = "{mode}"
                sources.host.type = "host"
                sinks.cloud = {{ type = "mqtt", url = "mqtt://127.0.0.1:1883" }}
                """
            )
            scene = {
                "own": str(self.data),
                "outside": str(self.outside),
                "process": victim.pid,
                "port": tcp.getsockname()[1],
                "free_port": free_port(),
                "abstract": abstract.getsockname()[1:].decode(),
            }
            command = [sys.executable, "-m", "tests.sandbox.attacks", str(self.configuration), json.dumps(scene)]
            try:
                said = subprocess.run(command, capture_output=True, text=True, timeout=60, stdin=terminal)
            finally:
                victim.kill()
                os.close(terminal)
                os.close(controller)
        assert said.stdout, said.stderr
        outcomes: dict[str, str] = json.loads(said.stdout)
        return outcomes


def table(before: dict[str, str], after: dict[str, str]) -> str:
    rows = [f"| {row} | {before[row]} | {after[row]} |\n" for row in after]
    return "| Attempt, as root | no sandbox | inside it |\n|---|---|---|\n" + "".join(rows)


def shown() -> str:
    """The README's."""
    match = _TABLE.search(README.read_text())
    assert match is not None
    return match[0].split("\n", 1)[1].rsplit("<!--", 1)[0]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as directory:
        ground = Ground(Path(directory) / "ground")
        made = table(ground.attacked("off"), ground.attacked("enforce"))
    README.write_text(_TABLE.sub(lambda match: match[1] + made + match[2], README.read_text()))
