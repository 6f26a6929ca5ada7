"""sd_notify(3): what a service manager wants to hear, as datagrams to the socket that it names."""

import os
import socket
from collections.abc import Mapping


class Notifier:
    """Speaks to the service manager; to nobody where there is none."""

    def __init__(self, address: str = "", watchdog: float = 0.0) -> None:
        """`address` as in `$NOTIFY_SOCKET`; empty where nobody listens."""
        self.watchdog = watchdog
        """Seconds within which it wants to hear `WATCHDOG=1`, else it ends the process; 0 where it does not."""
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self._socket: socket.socket | None = None
        if self._address:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
            # A service manager that does not read must not hold up the event loop.
            self._socket.setblocking(False)

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> "Notifier":
        """As the environment of the process says. Addresses of other families than Unix are passed over."""
        address = environment.get("NOTIFY_SOCKET", "")
        if not address.startswith(("/", "@")):
            return cls()
        ours = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        microseconds = environment.get("WATCHDOG_USEC", "")
        return cls(address, int(microseconds) / 1e6 if ours and microseconds.isdecimal() else 0.0)

    @property
    def listening(self) -> bool:
        """Whether there is anybody to speak to."""
        return self._socket is not None

    def tell(self, **assignments: str | int) -> bool:
        """Sends them in one datagram; whether it went out."""
        if self._socket is None:
            return False
        lines = (f"{name}={' '.join(str(value).split())}\n" for name, value in assignments.items())
        try:
            self._socket.sendto("".join(lines).encode(), self._address)
        except OSError:
            return False
        return True

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
