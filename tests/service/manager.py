"""A stand-in for systemd: a socket that the daemon notifies, and all that it has heard."""

import socket
import threading
import time
from pathlib import Path

from tests.end_to_end.rig import until

Message = dict[str, str]


class ServiceManager:
    """`address` goes into `$NOTIFY_SOCKET`; abstract where it begins with @."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.messages: list[tuple[float, Message]] = []
        """With the time at which each came, on the monotonic clock."""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(f"\0{address[1:]}" if address.startswith("@") else address)
        threading.Thread(target=self._listen, daemon=True).start()

    def environment(self, watchdog: float = 0.0) -> dict[str, str]:
        wanted = {"WATCHDOG_USEC": str(round(watchdog * 1e6))} if watchdog else {}
        return {"NOTIFY_SOCKET": self.address, **wanted}

    def heard(self, name: str) -> list[str]:
        """What was assigned to `name`, in order."""
        return [message[name] for _, message in list(self.messages) if name in message]

    def times(self, name: str) -> list[float]:
        return [at for at, message in list(self.messages) if name in message]

    def wait_for(self, name: str, count: int = 1) -> None:
        until(lambda: len(self.heard(name)) >= count, f"{name}= for the {count}. time")

    def close(self) -> None:
        self._socket.close()
        Path(self.address).unlink(missing_ok=True)

    def _listen(self) -> None:
        while True:
            try:
                data = self._socket.recv(65536).decode()
            except OSError:
                return
            message = dict(line.split("=", 1) for line in data.splitlines())
            self.messages.append((time.monotonic(), message))
