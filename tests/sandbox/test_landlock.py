"""Landlock for real, in processes of its own, since it binds for good; and kernels that have less of it."""

import errno
import os
import pty
import shutil
import socket
import subprocess
import sys
import termios
import types
from collections.abc import Callable
from pathlib import Path

import pytest

from collector.sandbox import landlock
from collector.sandbox.errors import Unavailable
from collector.sandbox.landlock import File
from collector.sandbox.reach import Reach

try:
    ABI = landlock.abi()
except Unavailable:
    ABI = 0

for_real = pytest.mark.skipif(not ABI, reason="this kernel has no Landlock")


def inside(reach: Reach, work: Callable[[], object]) -> None:
    """Raises AssertionError when `work` raises there."""
    if not (child := os.fork()):
        code = 1
        try:
            landlock.restrict(reach)
            work()
            code = 0
        except BaseException as error:
            print(repr(error), file=sys.stderr, flush=True)
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def refused(work: Callable[[], object]) -> None:
    with pytest.raises(PermissionError):
        work()


@for_real
def test_a_database_is_put_aside_in_another_directory_and_nothing_leaves_its_own(tmp_path: Path) -> None:
    own, other = tmp_path / "own", tmp_path / "other"
    for place in (own, other):
        place.mkdir()

    def work() -> None:
        (own / "quarantine").mkdir()
        (own / "database").write_text("x")
        (own / "database").rename(own / "quarantine" / "database")
        os.truncate(own / "quarantine" / "database", 0)
        socket.socket(socket.AF_UNIX).bind(str(own / "s"))
        (own / "s").unlink()
        shutil.rmtree(own / "quarantine")
        (own / "database").touch()
        with pytest.raises(OSError):
            (own / "database").rename(other / "database")
        refused((other / "file").touch)

    inside(Reach(write={own}), work)


@for_real
def test_a_terminal_that_appears_later_is_read_and_set_up(tmp_path: Path) -> None:
    name, again = os.pipe()

    def work() -> None:
        os.write(ready, b".")
        path = os.read(name, 100).decode()
        line = os.open(path, os.O_RDWR | os.O_NOCTTY)
        termios.tcsetattr(line, termios.TCSANOW, termios.tcgetattr(line))
        os.write(line, b"x")

    go, ready = os.pipe()
    if not (plugging := os.fork()):
        os.read(go, 1)
        _, line = pty.openpty()
        os.write(again, os.ttyname(line).encode())
        os.read(go, 1)
        os._exit(0)
    try:
        inside(Reach(devices={Path("/dev")}), work)
    finally:
        os.write(ready, b".")
        os.waitpid(plugging, 0)


@for_real
def test_a_secret_that_is_replaced_is_still_read(tmp_path: Path) -> None:
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    (secrets / "token").write_text("old")
    (tmp_path / "new").write_text("new")

    def work() -> None:
        os.write(asked, b".")
        assert os.read(done, 1)
        assert (secrets / "token").read_text() == "new"
        refused((tmp_path / "new").read_text)

    ask, asked = os.pipe()
    done, say = os.pipe()
    if not (renewing := os.fork()):
        os.read(ask, 1)
        shutil.copy(tmp_path / "new", secrets / "token.new")
        (secrets / "token.new").rename(secrets / "token")
        os.write(say, b".")
        os._exit(0)
    inside(Reach(read={secrets}), work)
    os.waitpid(renewing, 0)


@for_real
@pytest.mark.skipif(ABI < 4, reason="this kernel's Landlock knows no ports")
def test_only_the_ports_named_can_be_connected_to_and_listened_on() -> None:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        ports = [listener.getsockname()[1] for listener in (one, other)]

        def work() -> None:
            socket.socket().connect(("127.0.0.1", ports[0]))
            refused(lambda: socket.socket().connect(("127.0.0.1", ports[1])))
            refused(lambda: socket.socket().bind(("127.0.0.1", ports[0])))

        inside(Reach(connect={ports[0]}), work)


@for_real
@pytest.mark.skipif(os.getuid() != 0, reason="only root may mount")
def test_a_disk_that_is_mounted_later_is_covered_by_a_rule_above_its_mount_point(tmp_path: Path) -> None:
    script = f"""
import os, subprocess, sys
from pathlib import Path
from collector.sandbox import landlock
from collector.sandbox.reach import Reach
place = Path({str(tmp_path)!r}) / "media"
disk = place / "disk"
disk.mkdir(parents=True)
ask, asked = os.pipe()
done, say = os.pipe()
if not os.fork():
    os.read(ask, 1)
    os.write(say, bytes([subprocess.call(["mount", "-t", "tmpfs", "none", str(disk)])]))
    os._exit(0)
landlock.restrict(Reach(write={{place}}))
os.write(asked, b".")
assert os.read(done, 1) == b"\\0", "not mounted"
(disk / "readings.jsonl").write_text("x")
"""
    alone = ["unshare", "--mount"]
    if subprocess.run([*alone, "true"], capture_output=True).returncode:
        pytest.skip("no mount namespace of its own can be had here")
    command = [*alone, sys.executable, "-c", script]
    assert subprocess.run(command, capture_output=True, text=True, timeout=30).stderr == ""


@pytest.mark.parametrize(
    ("abi", "newest", "unknown"),
    [
        (2, File.REFER, File.TRUNCATE),
        (3, File.TRUNCATE, File.IOCTL_DEV),
        (4, File.TRUNCATE, File.IOCTL_DEV),
        (5, File.IOCTL_DEV, File(1 << 16)),
        (7, File.IOCTL_DEV, File(1 << 16)),
    ],
)
def test_a_kernel_is_asked_for_no_right_that_it_does_not_know(abi: int, newest: File, unknown: File) -> None:
    assert newest in File.handled(abi)
    assert unknown not in File.handled(abi)


class Kernel:
    """Answers the Landlock system calls as one of another age."""

    def __init__(self, abi: int, error: int = 0) -> None:
        self.abi = abi
        self.error = error
        self.size = 0
        self.rules: list[int] = []

    def call(self, number: int, *arguments: object) -> int:
        if self.error:
            raise OSError(self.error, os.strerror(self.error))
        if number == 444 and arguments[2] == 1:
            return self.abi
        if number == 444:
            self.size = int(str(arguments[1]))
            return os.open(os.devnull, os.O_RDONLY)
        if number == 445:
            self.rules.append(int(str(arguments[1])))
        return 0


@pytest.mark.parametrize(("abi", "size", "ports"), [(2, 8, 0), (4, 16, 2), (6, 24, 2), (7, 24, 2), (12, 24, 2)])
def test_every_age_is_spoken_to_in_its_own_words(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, abi: int, size: int, ports: int
) -> None:
    kernel = Kernel(abi)
    monkeypatch.setattr(landlock, "_call", kernel.call)
    # For real, no_new_privs would stay with the tests.
    monkeypatch.setattr(landlock, "_libc", types.SimpleNamespace(prctl=lambda *arguments: 0))
    assert landlock.restrict(Reach(read={tmp_path, tmp_path / "gone"}, connect={53}, bind={8080})) == abi
    assert kernel.size == size
    assert (kernel.rules.count(1), kernel.rules.count(2)) == (1, ports)


@pytest.mark.parametrize(
    ("abi", "error", "said"),
    [
        (0, errno.ENOSYS, "no Landlock .*; run a kernel with CONFIG_SECURITY_LANDLOCK"),
        (0, errno.EOPNOTSUPP, "no Landlock .*; add landlock to lsm="),
        (0, errno.EPERM, "no Landlock .*; let the container or unit allow"),
        (1, 0, r"Landlock ABI 1 cannot be worked with; run Linux 5\.19 or newer"),
    ],
)
def test_a_kernel_without_it_is_one_line_that_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, abi: int, error: int, said: str
) -> None:
    monkeypatch.setattr(landlock, "_call", Kernel(abi, error).call)
    with pytest.raises(Unavailable, match=said):
        landlock.restrict(Reach())
