"""What the kernel says of a process, and work in a process of its own."""

import asyncio
import multiprocessing
import os
from collections.abc import Callable, Coroutine
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

_TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """User and system time of all its threads (proc(5), stat)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def resident(pid: int) -> int:
    """Bytes of memory it has now."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def peak(pid: int) -> int:
    """Bytes of memory it has had at most (proc(5), VmHWM)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) * 1024


def apart(work: Callable[..., Coroutine[Any, Any, T]], *arguments: Any) -> T:
    """Runs it in a fresh process, so that no account holds anything else."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_run, work, *arguments).result()


def killed(work: Callable[..., Coroutine[Any, Any, Any]], *arguments: Any) -> None:
    """Runs it in a fresh process, which it must end by SIGKILL."""
    process = multiprocessing.get_context("spawn").Process(target=_run, args=(work, *arguments))
    process.start()
    process.join()
    assert process.exitcode == -9, f"it ended by itself: {process.exitcode}"


def _run(work: Callable[..., Coroutine[Any, Any, T]], *arguments: Any) -> T:
    return asyncio.run(work(*arguments))
