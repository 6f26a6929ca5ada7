"""A memory cgroup (v1 or v2) around one process, and the kernel's own way to end it."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

V1 = Path("/sys/fs/cgroup/memory")
V2 = Path("/sys/fs/cgroup")
LIMIT = 96 * 1024 * 1024
_HOG = "import time; a = bytearray(256 * 1024 * 1024); time.sleep(60)"


def need_cgroup() -> None:
    group = _root() / f"edge-collector-probe-{os.getpid()}"
    try:
        group.mkdir()
        usable = _limit_file(group).exists()
        group.rmdir()
    except OSError as error:
        pytest.skip(f"no memory cgroup can be made here: {error.strerror}")
    if not usable:
        pytest.skip("the memory controller is not enabled for cgroups here")


@contextlib.contextmanager
def limited(pid: int) -> Iterator[Callable[[], None]]:
    """Puts the process into a cgroup of 96 MiB; what is yielded uses more beside it, so that the kernel kills it."""
    group = _root() / f"edge-collector-{pid}"
    group.mkdir()
    hogs: list[subprocess.Popen[bytes]] = []
    try:
        _limit_file(group).write_text(str(LIMIT))
        (group / "cgroup.procs").write_text(str(pid))
        Path(f"/proc/{pid}/oom_score_adj").write_text("1000")

        def kill_it() -> None:
            hogs.append(
                subprocess.Popen(
                    [sys.executable, "-c", _HOG],
                    preexec_fn=lambda: (group / "cgroup.procs").write_text(str(os.getpid())),
                )
            )

        yield kill_it
    finally:
        for hog in hogs:
            hog.kill()
            hog.wait()
        deadline = time.monotonic() + 5
        while group.exists() and time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                group.rmdir()
            time.sleep(0.05)


def _root() -> Path:
    return V1 if V1.is_dir() else V2


def _limit_file(group: Path) -> Path:
    return group / ("memory.limit_in_bytes" if _root() is V1 else "memory.max")
