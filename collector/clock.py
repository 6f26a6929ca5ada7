"""Wall time, boot time, and whether the kernel says that the wall clock is synchronised.

Only stamps use wall time; ages, back-off and retention use `monotonic`.
"""

import ctypes
import time
from pathlib import Path
from typing import NamedTuple, Protocol

STA_UNSYNC = 0x40
"""adjtimex(2) status bit; chrony, timesyncd and ntpd all clear it when the clock is good."""

STEP_NS = 500_000_000
"""A change of wall minus boot time beyond this is a step, not a slew."""

TIMESYNCD_SAID = Path("/run/systemd/timesync/synchronized")
"""systemd-timesyncd touches it whenever it has set the clock."""

FORGOTTEN_AFTER = 32_000.0
"""Seconds after its last setting until the kernel calls a clock unsynchronised: 16 s of error at 500 ppm."""

_BOOT = time.CLOCK_BOOTTIME


class Regime(NamedTuple):
    """A stretch of time over which the wall clock ran evenly: all readings of one segment lie in one."""

    boot_id: str
    offset_ns: int
    """CLOCK_REALTIME minus CLOCK_BOOTTIME when the regime began."""
    synchronised: bool


class Clock(Protocol):
    """What the rest asks of time; tests hand in one they turn by hand."""

    def monotonic(self) -> float: ...
    def since_boot(self) -> float: ...
    def wall_ns(self) -> int: ...
    def regime(self) -> Regime: ...
    def look(self) -> None: ...


class _Timex(ctypes.Structure):
    """struct timex, as far as `status`; the rest is room the kernel writes to."""

    _fields_ = [
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("room", ctypes.c_byte * 256),
    ]


class SystemClock:
    """The machine's clocks. Steps and synchronisation are looked for at most once a second."""

    def __init__(self) -> None:
        self._adjtimex = ctypes.CDLL(None, use_errno=True).adjtimex
        self._boot_id = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        self._checked = float("-inf")
        self._regime = Regime(self._boot_id, self._offset_ns(), self.synchronised())
        self.steps = 0

    def monotonic(self) -> float:
        return time.monotonic()

    def since_boot(self) -> float:
        """Seconds, sleep included."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def wall_ns(self) -> int:
        """Unix time in nanoseconds, of the regime that `regime` returns until the next call.

        While unsynchronised it is counted from the regime's beginning: a step not noticed yet would spoil re-dating.
        """
        self.look()
        if self._regime.synchronised:
            return time.time_ns()
        return self._regime.offset_ns + time.clock_gettime_ns(time.CLOCK_BOOTTIME)

    def synchronised(self) -> bool:
        """What adjtimex(2) says, asked read-only (needs no privilege); where ProtectClock= forbids it, timesyncd."""
        timex = _Timex()
        if self._adjtimex(ctypes.byref(timex)) < 0:
            try:
                return time.time() - TIMESYNCD_SAID.stat().st_mtime < FORGOTTEN_AFTER
            except OSError:
                return False
        return not timex.status & STA_UNSYNC

    def regime(self) -> Regime:
        """The regime as of the last look."""
        return self._regime

    def look(self) -> None:
        """Begins a new regime if the clock was stepped or its synchronisation changed."""
        now = time.monotonic()
        if now - self._checked >= 1.0:
            self._checked = now
            offset, synchronised = self._offset_ns(), self.synchronised()
            stepped = abs(offset - self._regime.offset_ns) > STEP_NS
            self.steps += stepped
            if stepped or synchronised != self._regime.synchronised:
                self._regime = Regime(self._boot_id, offset, synchronised)

    @staticmethod
    def _offset_ns() -> int:
        """The tightest of three looks: on a busy machine a while may pass between two clocks."""
        looks = []
        for _ in range(3):
            before, wall, after = time.clock_gettime_ns(_BOOT), time.time_ns(), time.clock_gettime_ns(_BOOT)
            looks.append((after - before, wall - (before + after) // 2))
        return min(looks)[1]
