import os
import pty
import shutil
import socket
import subprocess
import time
import uuid
from pathlib import Path

import pytest

from collector.log import events, formats, setup
from collector.log.destination import JOURNAL_SOCKET, Descriptor, Journald, is_journal
from tests.log.records import record
from tests.log.test_formats import fields


def bound(path: Path) -> socket.socket:
    """A stand-in for journald."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.bind(str(path))
    listener.settimeout(5)
    return listener


def test_journald_is_found_again_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    journal = Journald(path)
    with pytest.raises(FileNotFoundError):
        journal.write(b"MESSAGE=lost\n")
    with bound(path) as listener:
        journal.write(formats.journal(record(events.DAEMON_STARTED, "collecting as %s", "box"), 0))
        assert fields(listener.recv(65536))["MESSAGE"] == "collecting as box"
    with pytest.raises(ConnectionRefusedError):
        journal.write(b"MESSAGE=lost\n")
    path.unlink()
    with bound(path) as listener:
        journal.write(b"MESSAGE=again\n")
        assert fields(listener.recv(65536)) == {"MESSAGE": "again"}
    journal.close()


@pytest.mark.skipif(
    not JOURNAL_SOCKET.is_socket() or shutil.which("journalctl") is None, reason="no journald on this machine"
)
def test_the_real_journald_keeps_every_field() -> None:
    marker = uuid.uuid4().hex
    Journald().write(formats.journal(record(events.SOURCE_LOST, "test\n%s", marker, source=marker), 0))
    for _ in range(50):
        found = subprocess.run(
            ["journalctl", f"SOURCE={marker}", f"MESSAGE_ID={events.SOURCE_LOST.message_id}", "-o", "cat"],
            capture_output=True,
            text=True,
        )
        if marker in found.stdout:
            return
        time.sleep(0.1)
    pytest.fail("the line is not in the journal")


def test_stderr_is_the_journal_only_when_systemd_says_so(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w") as log:
        found = os.fstat(log.fileno())
        assert is_journal(log.fileno(), f"{found.st_dev}:{found.st_ino}")
        assert not is_journal(log.fileno(), f"{found.st_dev}:{found.st_ino + 1}")
        assert not is_journal(log.fileno(), None)
    assert not is_journal(9999, "1:1")


def test_under_systemd_its_fields(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "socket"
    monkeypatch.setattr(setup, "JOURNAL_SOCKET", path)
    with bound(path), (tmp_path / "log").open("w") as log:
        found = os.fstat(log.fileno())
        stream = f"{found.st_dev}:{found.st_ino}"
        chosen, form = setup.choose("auto", log.fileno(), stream)
        assert isinstance(chosen, Journald) and form is formats.journal
        chosen, form = setup.choose("json", log.fileno(), stream)
        assert isinstance(chosen, Descriptor) and form is formats.ecs
        chosen, form = setup.choose("auto", log.fileno(), None)
        assert isinstance(chosen, Descriptor) and form is formats.ecs


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"TERM": "xterm"}, formats.coloured_text),
        ({"TERM": "dumb"}, formats.text),
        ({"TERM": "xterm", "NO_COLOR": ""}, formats.text),
    ],
)
def test_on_a_terminal_text(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], expected: formats.Format
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    device, terminal = pty.openpty()
    try:
        chosen, form = setup.choose("auto", terminal, None)
        assert form is expected
        chosen.write(form(record(events.DAEMON_STARTED, "collecting as box"), 0))
        assert b"collecting as box\r\n" in os.read(device, 4096)
        assert setup.choose("json", terminal, None)[1] is formats.ecs
    finally:
        os.close(device)
        os.close(terminal)
