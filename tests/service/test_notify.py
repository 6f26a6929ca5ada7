"""sd_notify over real sockets."""

import os
import socket
import uuid
from pathlib import Path

import pytest

from collector.service.notify import Notifier


def bound(address: str) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.bind(address.replace("@", "\0"))
    listener.settimeout(5)
    return listener


@pytest.mark.parametrize("abstract", [False, True], ids=["path", "abstract"])
def test_tells_in_one_datagram(tmp_path: Path, abstract: bool) -> None:
    address = f"@edge-collector-{uuid.uuid4()}" if abstract else str(tmp_path / "notify")
    with bound(address) as listener:
        notifier = Notifier.of({"NOTIFY_SOCKET": address})
        assert notifier.listening
        assert notifier.tell(READY=1, STATUS="12.5 readings/s")
        assert listener.recv(4096) == b"READY=1\nSTATUS=12.5 readings/s\n"
        notifier.close()


def test_a_value_cannot_begin_another_line(tmp_path: Path) -> None:
    with bound(address := str(tmp_path / "notify")) as listener:
        notifier = Notifier(address)
        notifier.tell(STATUS="broker says: no\nMAINPID=1\r\n")
        assert listener.recv(4096) == b"STATUS=broker says: no MAINPID=1\n"
        notifier.close()


@pytest.mark.parametrize("address", ["", "vsock:2:1234", "relative"])
def test_nobody_to_tell(address: str) -> None:
    notifier = Notifier.of({"NOTIFY_SOCKET": address} if address else {})
    assert not notifier.listening
    assert not notifier.tell(READY=1)


def test_a_manager_that_is_gone_or_does_not_read_holds_nothing_up(tmp_path: Path) -> None:
    address = str(tmp_path / "notify")
    notifier = Notifier(address)
    assert not notifier.tell(READY=1)
    with bound(address) as listener:
        said = 0
        while notifier.tell(READY=1):
            said += 1
            assert said < 100_000, "the socket's queue has no end"
        listener.recv(4096)
        assert notifier.tell(READY=1)
    Path(address).unlink()
    with bound(address) as listener:
        assert notifier.tell(READY=1), "found again under its name, as after systemctl daemon-reexec"
    notifier.close()


@pytest.mark.parametrize(
    ("environment", "watchdog"),
    [
        ({"WATCHDOG_USEC": "90000000", "WATCHDOG_PID": str(os.getpid())}, 90.0),
        ({"WATCHDOG_USEC": "500000"}, 0.5),
        ({"WATCHDOG_USEC": "90000000", "WATCHDOG_PID": "1"}, 0.0),
        ({"WATCHDOG_USEC": "soon"}, 0.0),
        ({}, 0.0),
    ],
)
def test_the_watchdog_that_is_meant_for_us(tmp_path: Path, environment: dict[str, str], watchdog: float) -> None:
    notifier = Notifier.of({"NOTIFY_SOCKET": str(tmp_path / "notify"), **environment})
    assert notifier.watchdog == watchdog
    notifier.close()
