"""A real Mosquitto for tests: started, killed and restarted at will."""

import contextlib
import itertools
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

START_TIMEOUT = 10.0


def mosquitto_binary() -> str | None:
    """Debian puts it into /usr/sbin, which is not on every user's PATH."""
    return shutil.which("mosquitto", path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"]))


_ports = itertools.cycle(range(250))


def free_port(host: str = "127.0.0.1") -> int:
    """A TCP port that nothing listens on, from a stretch of this process's own. Raises OSError.

    Below 32768, where the ports of outgoing connections begin: a broker started later, or again, finds it free.
    """
    stretch = 12_000 + os.getpid() % 80 * 250
    for port in itertools.islice(_ports, 250):
        with (
            contextlib.suppress(OSError),
            socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe,
        ):
            probe.bind((host, stretch + port))
            return stretch + port
    raise OSError(f"no port to be had on {host}")


class Mosquitto:
    """A broker on 127.0.0.1 whose port, configuration and database stay the same over restarts.

    `config_lines` are added to mosquitto.conf; `anonymous=False` lets in only whom they let in.
    `listener=False` leaves the listener on `port` to `config_lines` too (TLS, say). `max_queued=0` is no
    limit; `autosave_interval` is in seconds. As a context manager it runs inside the `with` block.
    """

    def __init__(
        self,
        directory: Path,
        *,
        port: int | None = None,
        persistence: bool = True,
        anonymous: bool = True,
        listener: bool = True,
        max_queued: int = 0,
        autosave_interval: int = 1,
        config_lines: Sequence[str] = (),
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.host = "127.0.0.1"
        self.port = port if port is not None else free_port()
        self.log = directory / "mosquitto.log"
        self._configuration = directory / "mosquitto.conf"
        self._process: subprocess.Popen[bytes] | None = None
        lines = [
            f"log_dest file {self.log}",
            "log_type all",
            "connection_messages true",
            f"max_queued_messages {max_queued}",
            f"persistence {str(persistence).lower()}",
            f"persistence_location {directory}/",
            f"autosave_interval {autosave_interval}",
            *(["user root"] if os.getuid() == 0 else []),
            *([f"listener {self.port} {self.host}"] if listener else []),
            f"allow_anonymous {str(anonymous).lower()}",
            *config_lines,
        ]
        self._configuration.write_text("\n".join(lines) + "\n")

    @property
    def url(self) -> str:
        return f"mqtt://{self.host}:{self.port}"

    @property
    def pid(self) -> int:
        assert self._process is not None, "the broker is not running"
        return self._process.pid

    def start(self) -> None:
        """Returns when the port accepts connections."""
        binary = mosquitto_binary()
        assert binary, "mosquitto is not installed"
        assert self._process is None, "the broker runs already"
        self._process = subprocess.Popen(
            [binary, "-c", str(self._configuration)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + START_TIMEOUT
        while not self._accepts():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise AssertionError(f"mosquitto did not start:\n{self.read_log()}")
            time.sleep(0.01)

    def stop(self) -> None:
        """SIGTERM: the broker saves its database first. Nothing when it does not run."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL: what was not saved is gone."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        self.stop()
        self.start()

    def pause(self) -> None:
        """SIGSTOP: connections stay up and nothing answers, until `resume`."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def read_log(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _accepts(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection((self.host, self.port), timeout=1):
            return True
        return False

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return
        process.send_signal(how)
        # A paused process cannot act on SIGTERM.
        process.send_signal(signal.SIGCONT)
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
