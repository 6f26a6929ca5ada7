"""Disks that can be filled, taken away and made read-only: tmpfs, and ext4 in a file."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest


def need(*tools: str) -> None:
    """Skips the test where it is not root, or where a tool is missing."""
    if os.geteuid() != 0:
        pytest.skip("only root can do this")
    for tool in tools:
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")


def mount(*arguments: str | Path) -> None:
    result = subprocess.run(["mount", *map(str, arguments)], capture_output=True, text=True)
    if result.returncode:
        pytest.skip(f"cannot mount here: {result.stderr.strip()}")


def unmount(at: Path, *options: str) -> None:
    subprocess.run(["umount", *options, str(at)], capture_output=True)


@contextlib.contextmanager
def tmpfs(at: Path, size: str) -> Iterator[Path]:
    """A disk in memory, as a directory."""
    need()
    at.mkdir()
    mount("-t", "tmpfs", "-o", f"size={size},mode=700", "none", at)
    try:
        yield at
    finally:
        unmount(at, "-l")


class Ext4:
    """An ext4 of its own in a file, mounted at `at`."""

    def __init__(self, at: Path, *options: str, size: str = "32M", image: Path | None = None) -> None:
        need("mkfs.ext4")
        self.at = at
        self.image = image or at.with_suffix(".img")
        at.mkdir()
        subprocess.run(["truncate", "-s", size, str(self.image)], check=True)
        subprocess.run(["mkfs.ext4", "-q", "-F", *options, str(self.image)], check=True, capture_output=True)

    def mount(self, options: str = "rw") -> None:
        mount("-o", f"loop,{options}", self.image, self.at)

    def remount(self, options: str) -> None:
        mount("-o", f"remount,{options}", self.at)

    def __enter__(self) -> Self:
        self.mount()
        return self

    def __exit__(self, *_: object) -> None:
        unmount(self.at, "-l")


def fill(disk: Path) -> Path:
    """The file that takes all room that is left."""
    filler = disk / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        for size in (65536, 4096, 1):
            with contextlib.suppress(OSError):
                while True:
                    file.write(b"x" * size)
    assert os.statvfs(disk).f_bavail == 0
    return filler


def fill_inodes(disk: Path) -> list[Path]:
    """The empty files that take all inodes that are left."""
    files: list[Path] = []
    with contextlib.suppress(OSError):
        while len(files) < 10_000:
            file = disk / f"empty{len(files)}"
            file.touch()
            files.append(file)
    assert os.statvfs(disk).f_favail == 0
    return files
