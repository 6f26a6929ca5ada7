"""Landlock (landlock(7)): which files the process may touch and which TCP ports it may use.

It binds the calling thread and those that it starts, so it must come before any other thread.
"""

import ctypes
import errno
import os
import stat
from collections.abc import Iterable
from enum import IntFlag
from pathlib import Path

from collector.sandbox.errors import Unavailable
from collector.sandbox.reach import Reach

KNOWN = 7
"""The newest ABI that is made use of; a kernel with a newer one keeps its promises of this one."""

OLDEST = 2
"""ABI 1 refuses every rename from one directory to another, which putting a damaged database aside needs."""

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
"""The same on every architecture that the kernel knows."""
_VERSION = 1
_PATH_BENEATH, _NET_PORT = 1, 2
_SCOPE_ABSTRACT_UNIX_SOCKET, _SCOPE_SIGNAL = 1, 2
_PR_SET_NO_NEW_PRIVS = 38


class File(IntFlag):
    EXECUTE = 1 << 0
    WRITE_FILE = 1 << 1
    READ_FILE = 1 << 2
    READ_DIR = 1 << 3
    REMOVE_DIR = 1 << 4
    REMOVE_FILE = 1 << 5
    MAKE_CHAR = 1 << 6
    MAKE_DIR = 1 << 7
    MAKE_REG = 1 << 8
    MAKE_SOCK = 1 << 9
    MAKE_FIFO = 1 << 10
    MAKE_BLOCK = 1 << 11
    MAKE_SYM = 1 << 12
    REFER = 1 << 13
    TRUNCATE = 1 << 14
    IOCTL_DEV = 1 << 15

    @staticmethod
    def handled(abi: int) -> "File":
        """What the kernel watches over; what it does not know it lets pass."""
        newest = File.REFER if abi < 3 else File.TRUNCATE if abi < 5 else File.IOCTL_DEV
        return File(2 * newest - 1)


class Port(IntFlag):
    BIND_TCP = 1 << 0
    CONNECT_TCP = 1 << 1


_READ = File.READ_FILE | File.READ_DIR
_SOCKETS = File.MAKE_SOCK | File.REMOVE_FILE
_WRITE = (_READ | _SOCKETS | File.WRITE_FILE | File.TRUNCATE | File.REFER) | (
    File.MAKE_REG | File.MAKE_DIR | File.REMOVE_DIR
)
_DEVICES = _READ | File.WRITE_FILE | File.IOCTL_DEV
_OF_A_FILE = File.READ_FILE | File.WRITE_FILE | File.TRUNCATE | File.IOCTL_DEV
"""The rest makes sense for directories alone."""


class _Ruleset(ctypes.Structure):
    _fields_ = [("files", ctypes.c_uint64), ("ports", ctypes.c_uint64), ("scoped", ctypes.c_uint64)]


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = [("allowed", ctypes.c_uint64), ("directory", ctypes.c_int32)]


class _NetPort(ctypes.Structure):
    _fields_ = [("allowed", ctypes.c_uint64), ("port", ctypes.c_uint64)]


_libc = ctypes.CDLL(None, use_errno=True)


def abi() -> int:
    """Of this kernel. Raises Unavailable where there is none that serves."""
    try:
        found = _call(_CREATE_RULESET, None, 0, _VERSION)
    except OSError as error:
        remedies = {
            errno.ENOSYS: "run a kernel with CONFIG_SECURITY_LANDLOCK (Debian's has it)",
            errno.EOPNOTSUPP: "add landlock to lsm= on the kernel's command line",
        }
        remedy = remedies.get(error.errno or 0, "let the container or unit allow landlock_create_ruleset")
        raise Unavailable(f"no Landlock ({error.strerror})", remedy) from error
    if found < OLDEST:
        raise Unavailable(f"Landlock ABI {found} cannot be worked with", "run Linux 5.19 or newer")
    return found


def restrict(reach: Reach) -> int:
    """Binds this thread and all it starts for good; returns the kernel's ABI. Raises Unavailable."""
    found = abi()
    usable = min(found, KNOWN)
    try:
        ruleset = _create(usable)
        try:
            _fill(ruleset, reach, usable)
            if _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
                raise OSError(ctypes.get_errno(), "no_new_privs")
            _call(_RESTRICT_SELF, ruleset, 0)
        finally:
            os.close(ruleset)
    except OSError as error:
        raise Unavailable(
            f"Landlock refuses ({error.strerror})", "let the container or unit allow the landlock system calls"
        ) from error
    return found


def _create(abi: int) -> int:
    attributes = _Ruleset(files=File.handled(abi))
    size = 8
    if abi >= 4:
        attributes.ports, size = Port.BIND_TCP | Port.CONNECT_TCP, 16
    if abi >= 6:
        attributes.scoped, size = _SCOPE_SIGNAL, 24
        # systemd may want to be told through such a socket that we are ready.
        if not os.environ.get("NOTIFY_SOCKET", "").startswith("@"):
            attributes.scoped |= _SCOPE_ABSTRACT_UNIX_SOCKET
    return _call(_CREATE_RULESET, ctypes.byref(attributes), size, 0)


def _fill(ruleset: int, reach: Reach, abi: int) -> None:
    rights = ((reach.read, _READ), (reach.write, _WRITE), (reach.devices, _DEVICES), (reach.sockets, _SOCKETS))
    for paths, allowed in rights:
        _allow_paths(ruleset, paths, allowed & File.handled(abi))
    if abi >= 4:
        for ports, right in ((reach.connect, Port.CONNECT_TCP), (reach.bind, Port.BIND_TCP)):
            for port in ports:
                _call(_ADD_RULE, ruleset, _NET_PORT, ctypes.byref(_NetPort(right, port)), 0)


def _allow_paths(ruleset: int, paths: Iterable[Path], allowed: File) -> None:
    for path in paths:
        try:
            descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            there = allowed if stat.S_ISDIR(os.fstat(descriptor).st_mode) else allowed & _OF_A_FILE
            if there:
                rule = _PathBeneath(there, descriptor)
                _call(_ADD_RULE, ruleset, _PATH_BENEATH, ctypes.byref(rule), 0)
        finally:
            os.close(descriptor)


def _call(number: int, *arguments: object) -> int:
    """Raises OSError."""
    result: int = _libc.syscall(number, *arguments)
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result
