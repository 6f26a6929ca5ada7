"""A serial line: a pty under a name of its own, as udev would give it."""

import os
import pty
import select
import tty
from pathlib import Path


class Line:
    def __init__(self, port: Path) -> None:
        self.port = port

    def __enter__(self) -> "Line":
        self._device, self._line = pty.openpty()
        tty.setraw(self._line)
        os.set_blocking(self._device, False)
        self.port.symlink_to(os.ttyname(self._line))
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._device)
        os.close(self._line)

    def send(self, data: bytes) -> None:
        """Waits until the line has taken it all, at most 10 s at a time."""
        while data:
            _, free, _ = select.select([], [self._device], [], 10)
            assert free, "nobody reads the line"
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
