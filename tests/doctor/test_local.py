"""What the doctor finds on the machine itself, in a /proc and /dev of the test's own."""

import contextlib
import os
import pty
import pwd
import socket
import sqlite3
from collections.abc import Iterable
from pathlib import Path

import pytest

from collector.config.port import NetworkPort, UsbPort
from collector.doctor import clock, database, disk, remote_line, serial_console, serial_port
from collector.doctor.finding import Finding, Subject
from collector.mounts import mount_of
from collector.status.report import FlashReport, Report
from tests.status.reports import busy_report

HERE = Subject("subject", "source air")
MIB = 2**20


def only(findings: Iterable[Finding]) -> Finding:
    [finding] = findings
    return finding


@pytest.fixture
def mounts(tmp_path: Path) -> Path:
    file = tmp_path / "mounts"
    file.write_text(
        f"/dev/root / ext4 rw,noatime 0 0\n"
        f"tmpfs {tmp_path}/memory tmpfs rw 0 0\n"
        f"overlay {tmp_path}/layered overlay rw 0 0\n"
        f"/dev/sda1 {tmp_path}/worn ext4 ro 0 0\n"
        f"/dev/sdb1 {tmp_path}/a\\040blank\\303\\251 vfat rw 0 0\n"
        f"/dev/old {tmp_path}/twice ext4 rw 0 0\n"
        f"tmpfs {tmp_path}/twice tmpfs rw 0 0\n"
    )
    for name in ("memory", "layered", "worn", "plain"):
        (tmp_path / name).mkdir()
    return file


def test_the_innermost_mount_and_the_last_one_count(tmp_path: Path, mounts: Path) -> None:
    assert mount_of(tmp_path / "plain", mounts).kind == "ext4"
    assert mount_of(tmp_path / "memory" / "not" / "there", mounts).in_memory
    assert mount_of(tmp_path, tmp_path / "no-proc").kind == ""
    assert mount_of(tmp_path / "a blank\u00e9", mounts).kind == "vfat"
    assert mount_of(tmp_path / "twice", mounts).kind == "tmpfs"


@pytest.mark.parametrize(
    ("place", "verdict", "text"),
    [
        ("plain/data/not/yet", "ok", "ext4"),
        ("memory", "warn", "nothing in it survives a reboot"),
        ("layered", "warn", "overlay"),
        ("worn", "fail", "mounted read-only"),
    ],
)
def test_where_the_data_lie(tmp_path: Path, mounts: Path, place: str, verdict: str, text: str) -> None:
    found = next(iter(disk.data_directory(HERE, tmp_path / place, MIB, 0, mounts)))
    assert found.verdict == verdict
    assert text in found.text


def test_a_database_of_a_newer_version_or_of_somebody_else(tmp_path: Path) -> None:
    assert list(database.examine(HERE, tmp_path)) == []
    for marks, verdict in (
        ("application_id = 0x45434F4C; PRAGMA user_version = 1", None),
        ("application_id = 0x45434F4C; PRAGMA user_version = 99", "fail"),
        ("application_id = 1", "warn"),
    ):
        with contextlib.closing(sqlite3.connect(tmp_path / "spool.sqlite3")) as connection:
            connection.executescript(f"PRAGMA {marks}")
        assert [found.verdict for found in database.examine(HERE, tmp_path)] == ([verdict] if verdict else [])


@pytest.mark.skipif(os.getuid() != 0, reason="only root is allowed to write what belongs to others")
def test_a_data_directory_that_is_not_the_services_own(
    tmp_path: Path, mounts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = pwd.getpwuid(os.getuid())
    monkeypatch.setattr(disk.pwd, "getpwnam", lambda name: user)
    directory = tmp_path / "plain" / "edge-collector"
    directory.mkdir()
    os.chown(directory, 4242, -1)
    found = next(iter(disk.data_directory(HERE, directory, MIB, 0, mounts)))
    assert (found.verdict, found.advice.startswith(f"chown -R edge-collector: {directory}")) == ("fail", True)
    os.chown(directory, user.pw_uid, -1)
    assert next(iter(disk.data_directory(HERE, directory, MIB, 0, mounts))).verdict == "ok"


def test_room_for_a_full_spool(tmp_path: Path, mounts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Usage:
        free = 300 * MIB

    monkeypatch.setattr(disk.shutil, "disk_usage", lambda path: Usage)
    verdicts = [
        only(disk.data_directory(HERE, tmp_path, limit * MIB, used * MIB, mounts)).verdict
        for limit, used in ((200, 0), (256, 0), (400, 0), (400, 300))
    ]
    assert verdicts == ["ok", "warn", "fail", "ok"]


def test_the_tail_journal(mounts: Path) -> None:
    assert only(disk.tail_journal(HERE, None, mounts)).verdict == "warn"
    report: Report = busy_report()
    for journal, verdict in (("/run/x (in memory)", "ok"), ("/var/lib/x (ON DISK)", "warn")):
        report.spool.journal = journal
        assert only(disk.tail_journal(HERE, report, mounts)).verdict == verdict


@pytest.mark.parametrize(
    ("per_day", "verdict", "words"),
    [
        (0, "ok", "0 MiB written a day wear out a card of 16 GB in more than 100 years"),
        (10 * MIB, "ok", "10 MiB written a day wear out a card of 16 GB in more than 100 years"),
        (100 * MIB, "ok", "in 12.5 years, if it bears 300 full writes and makes 10 times as much of ours"),
        (500 * MIB, "warn", "in 2.5 years"),
    ],
)
def test_a_cards_life(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, per_day: float, verdict: str, words: str
) -> None:
    class Usage:
        total = 16_000_000_000

    monkeypatch.setattr(disk.shutil, "disk_usage", lambda path: Usage)
    report = busy_report()
    report.flash = FlashReport(MIB, 140.0, per_day)
    finding = only(disk.card_life(HERE, tmp_path / "not" / "yet", report))
    assert finding.verdict == verdict
    assert words in finding.text


def test_a_cards_life_that_cannot_be_told(tmp_path: Path) -> None:
    report = busy_report()
    report.flash = FlashReport(3 * MIB, 140.0)
    assert only(disk.card_life(HERE, tmp_path, report)).text == (
        "3 MiB written since start; ask again after an hour of running"
    )
    report.flash = None
    finding = only(disk.card_life(HERE, tmp_path, report))
    assert (finding.verdict, "/proc/self/io" in finding.text) == ("warn", True)


def test_a_file_sinks_directory(tmp_path: Path, mounts: Path) -> None:
    verdicts = [
        only(disk.file_sink(HERE, tmp_path / place / "readings.jsonl", mounts)).verdict
        for place in ("plain", "worn", "gone")
    ]
    assert verdicts == ["ok", "fail", "warn"]


def test_the_clock() -> None:
    class Fake:
        good = True

        def synchronised(self) -> bool:
            return self.good

    fake, report = Fake(), busy_report()
    for told in (None, report):
        assert only(clock.examine(HERE, fake, told)).verdict == "ok"  # type: ignore[arg-type]
    report.clock.synchronised = False
    assert "ProtectClock=no" in only(clock.examine(HERE, fake, report)).advice  # type: ignore[arg-type]
    fake.good = False
    assert "timedatectl" in only(clock.examine(HERE, fake, None)).advice  # type: ignore[arg-type]


def test_a_serial_port(tmp_path: Path) -> None:
    assert only(serial_port.examine(HERE, str(tmp_path / "gone"), False)).text == "not there"
    (tmp_path / "file").touch()
    assert only(serial_port.examine(HERE, str(tmp_path / "file"), False)).text == "is no device"
    assert only(serial_port.examine(HERE, "/dev/null", False)).text == "is no serial port"
    device, line = pty.openpty()
    try:
        name = os.ttyname(line)
        free = list(serial_port.examine(HERE, name, False))
        assert free[-1].text == "there, may be opened, and free"
        import fcntl

        fcntl.flock(line, fcntl.LOCK_EX)
        busy = list(serial_port.examine(HERE, name, False))[-1]
        assert (busy.verdict, busy.text) == ("fail", "in use by another program")
        assert busy.advice.endswith(f"fuser -v {name}")
        assert list(serial_port.examine(HERE, name, True))[-1].verdict == "ok"
    finally:
        os.close(device)
        os.close(line)


def test_a_usb_port() -> None:
    found = only(serial_port.examine_usb(HERE, UsbPort("dead", "beef", None), False))
    assert (found.verdict, found.text) == ("fail", "not plugged in")
    assert found.advice.startswith("USB serial adapters here: ")


def test_a_line_behind_tcp() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        place = NetworkPort("socket", *server.getsockname())
        assert only(remote_line.examine(HERE, place, False)).text == "reachable"
    gone = only(remote_line.examine(HERE, place, False))
    assert (gone.verdict, gone.text) == ("fail", "cannot be reached: Connection refused")
    assert only(remote_line.examine(HERE, place, True)).verdict == "ok"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may open everything")
def test_a_forbidden_serial_port() -> None:
    found = list(serial_port.examine(HERE, "/dev/console", False))[-1]
    assert found.verdict == "fail"
    assert "usermod -aG" in found.advice


@pytest.fixture
def pi(tmp_path: Path) -> tuple[Path, Path]:
    """A Raspberry Pi's /proc and /dev, where serial0 is ttyAMA0."""
    proc, dev = tmp_path / "proc", tmp_path / "dev"
    (proc / "1").mkdir(parents=True)
    (proc / "1" / "cmdline").write_bytes(b"/sbin/init\0")
    (proc / "2").mkdir()
    (proc / "2" / "cmdline").write_bytes(b"")
    (proc / "3").mkdir()
    (proc / "cmdline").write_text("console=tty1 root=PARTUUID=1 rootwait\n")
    dev.mkdir()
    (dev / "ttyAMA0").touch()
    (dev / "serial0").symlink_to("ttyAMA0")
    (dev / "ttyUSB0").touch()
    return proc, dev


def test_a_port_that_is_no_console(pi: tuple[Path, Path]) -> None:
    proc, dev = pi
    assert only(serial_console.examine(HERE, str(dev / "serial0"), proc, dev)).verdict == "ok"


@pytest.mark.parametrize("word", ["console=serial0,115200", "console=ttyAMA0"])
def test_the_kernels_console(pi: tuple[Path, Path], word: str) -> None:
    proc, dev = pi
    (proc / "cmdline").write_text(f"console=tty1 {word} rootwait\n")
    for port, verdict in (("serial0", "fail"), ("ttyAMA0", "fail"), ("ttyUSB0", "ok")):
        found = only(serial_console.examine(HERE, str(dev / port), proc, dev))
        assert found.verdict == verdict
    found = only(serial_console.examine(HERE, str(dev / "serial0"), proc, dev))
    assert found.text == "the kernel writes its messages to it"
    assert "raspi-config" in found.advice
    assert "serial-getty@ttyAMA0.service" in found.advice


def test_a_login_prompt(pi: tuple[Path, Path]) -> None:
    proc, dev = pi
    (proc / "3" / "cmdline").write_bytes(b"/sbin/agetty\0-o\0-p\0--keep-baud\x00115200,57600\0-\0serial0\0vt220\0")
    found = only(serial_console.examine(HERE, str(dev / "ttyAMA0"), proc, dev))
    assert (found.verdict, found.text) == ("fail", "a login prompt reads from it")
