"""firmware_profiles/README.md, "Add your device in 15 minutes": followed to the letter with a device on a pty."""

import os
import pty
import re
import shlex
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path
from typing import NamedTuple

from tests.end_to_end.rig import Program, until

README = Path(__file__).parents[2] / "firmware_profiles" / "README.md"
SECONDS = {"--seconds 60": "--seconds 2"}
"""The simulated device is quicker than a person's."""


class Block(NamedTuple):
    language: str
    text: str


def guide() -> list[Block]:
    (section,) = re.findall(
        r"^## Add your device in 15 minutes$(.*?)^## ", README.read_text(), re.DOTALL | re.MULTILINE
    )
    return [Block(*found) for found in re.findall(r"^```(\w+)\n(.*?)^```$", section, re.DOTALL | re.MULTILINE)]


class Device:
    """The guide's sensor: its case's frames again and again."""

    def __init__(self, frames: list[bytes]) -> None:
        self._near, self._far = pty.openpty()
        os.set_blocking(self._near, False)
        self.port = os.ttyname(self._far)
        self._frames = frames
        self._gone = threading.Event()
        self._thread = threading.Thread(target=self._speak)
        self._thread.start()

    def _speak(self) -> None:
        said = 0
        while not self._gone.wait(0.05):
            try:
                os.write(self._near, self._frames[said % len(self._frames)])
            except BlockingIOError:
                continue  # nobody listens
            said += 1

    def unplug(self) -> None:
        self._gone.set()
        self._thread.join()
        os.close(self._near)
        os.close(self._far)


def test_the_guide_adds_a_device(tmp_path: Path) -> None:
    blocks = guide()
    (case,) = (one.text for one in blocks if "/cases/" in one.text)
    (frames,) = re.findall(r"^hex = \[(.*)\]$", case, re.MULTILINE)
    device = Device([bytes.fromhex(frame) for frame in re.findall(r'"([^"]+)"', frames)])
    replaced = {"/dev/ttyUSB0": device.port, "DIR": str(tmp_path), **SECONDS}
    readings = tmp_path / "readings.jsonl"
    daemon = None
    said = ""
    try:
        for language, text in blocks:
            for shown, here in replaced.items():
                text = text.replace(shown, here)
            if language == "toml":
                name, _, content = text.removeprefix("# ").partition("\n")
                (tmp_path / name).write_text(content)
            elif language == "sh":
                for line in text.splitlines():
                    program, *words = shlex.split(line)
                    assert program == "edge-collector"
                    if words[0] == "run":
                        (tmp_path / "collector.toml").open("a").write(f'[status]\nlisten = "unix:{tmp_path}/status"\n')
                        words[-1] = str(tmp_path / words[-1])
                        daemon = Program(tmp_path, *words)
                        daemon.start()
                    else:
                        said += f"$ {line}\n{_done(tmp_path, words)}"
            else:
                until(partial(_holds, readings, text.strip()), "the reading")
    finally:
        if daemon is not None:
            daemon.close()
        device.unplug()
    assert daemon is not None and readings.exists()
    assert "No profile fits." in said
    assert "acme-climate: 1 passed\n" in said


def _holds(file: Path, text: str) -> bool:
    return file.exists() and text in file.read_text()


def _done(folder: Path, words: list[str]) -> str:
    """What a command printed that ended well, in `folder`."""
    result = subprocess.run(
        [sys.executable, "-m", "collector", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == 0, (words, result.stdout[-1000:], result.stderr)
    return result.stdout
