"""What a running program costs, read from the kernel: CPU, memory, bytes written. All its processes together."""

import contextlib
import time
from pathlib import Path

PROC = Path("/proc")
CPUCLOCK_SCHED = 2


def tree(pid: int) -> list[int]:
    """`pid` and its descendants that live."""
    found = [pid]
    for parent in found:
        with contextlib.suppress(OSError):
            for task in (PROC / str(parent) / "task").iterdir():
                found += map(int, (task / "children").read_text().split())
    return found


def cpu_seconds(pid: int) -> float:
    """User and system time to the nanosecond, ended threads included (clock_getcpuclockid(3))."""
    total = 0.0
    for process in tree(pid):
        with contextlib.suppress(OSError):
            total += time.clock_gettime(~process << 3 | CPUCLOCK_SCHED)
    return total


def resident_mb(pid: int) -> float:
    return sum(_kilobytes(process, "VmRSS:") for process in tree(pid)) / 1024


def peak_mb(pid: int) -> float:
    """The largest each process has been."""
    return sum(_kilobytes(process, "VmHWM:") for process in tree(pid)) / 1024


def written_bytes(pid: int) -> int:
    """Bytes that went towards a disk: what stays on a tmpfs is not counted (proc_pid_io(5))."""
    return sum(_number(process, "io", "write_bytes:") for process in tree(pid))


def _kilobytes(pid: int, key: str) -> int:
    return _number(pid, "status", key)


def _number(pid: int, file: str, key: str) -> int:
    with contextlib.suppress(OSError):
        for line in (PROC / str(pid) / file).read_text().splitlines():
            if line.startswith(key):
                return int(line.split()[1])
    return 0
