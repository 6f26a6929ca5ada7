"""A serial line: a pty under a name of its own, as udev would give it."""

import os
import pty
import tty
from pathlib import Path


class Line:
    def __init__(self, port: Path) -> None:
        self.port = port

    def __enter__(self) -> "Line":
        self._device, self._line = pty.openpty()
        tty.setraw(self._line)
        self.port.symlink_to(os.ttyname(self._line))
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._device)
        os.close(self._line)

    def send(self, data: bytes) -> None:
        """Waits until the line has taken it all."""
        while data:
            data = data[os.write(self._device, data) :]

    def source(self, profile: str) -> str:
        """The source `line` on it."""
        return f"""
        [sources.line]
        type = "serial"
        port = "{self.port}"
        profile = "{profile}"
        backoff = {{ min = "100ms", max = "200ms" }}
        """
