"""The kernel's account of what this process writes, on real file systems."""

import os
from pathlib import Path

import pytest

from collector.figures import PROJECT_AFTER, of_flash
from collector.flash import written_bytes
from collector.mounts import mount_of

MIB = 2**20


def caused(path: Path, size: int) -> int:
    """What writing so many bytes there adds to the account."""
    before = written_bytes()
    fd = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        os.write(fd, bytes(size))
        os.fsync(fd)
    finally:
        os.close(fd)
    path.unlink()
    after = written_bytes()
    if before is None or after is None:
        pytest.skip("the kernel does not tell")
    return after - before


def test_what_is_fsynced_counts(tmp_path: Path) -> None:
    if mount_of(tmp_path).in_memory:
        pytest.skip("the tests' directory is a tmpfs")
    assert MIB <= caused(tmp_path / "file", MIB) < 2 * MIB


def test_a_tmpfs_does_not_count() -> None:
    directory = Path("/dev/shm")
    if not (directory.is_dir() and mount_of(directory).in_memory):
        pytest.skip("/dev/shm is no tmpfs")
    assert caused(directory / f"edge-collector-test-{os.getpid()}", MIB) < MIB // 10


@pytest.mark.parametrize("content", [None, "", "rchar: 1\nwchar: 2\n"])
def test_without_an_account_there_is_no_figure(tmp_path: Path, content: str | None) -> None:
    account = tmp_path / "io"
    if content is not None:
        account.write_text(content)
    assert written_bytes(account) is None


def test_a_reading_and_a_day() -> None:
    assert of_flash(None, 10, 7200) is None
    young = of_flash(1000, 0, PROJECT_AFTER - 1)
    assert young is not None
    assert (young.written_bytes, young.bytes_per_reading, young.bytes_per_day) == (1000, None, None)
    grown = of_flash(7200, 60, 7200)
    assert grown is not None
    assert (grown.bytes_per_reading, grown.bytes_per_day) == (120, 86400)
