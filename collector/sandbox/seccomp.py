"""Loads the filters of `syscalls` with libseccomp's own binding, or pyseccomp, which has the same face."""

import contextlib
import ctypes.util
import errno
import importlib
import os
import platform
import types
from collections.abc import Iterator
from typing import Any, Literal

from collector.sandbox.errors import Unavailable
from collector.sandbox.syscalls import ALLOWED, ANSWERED, CONDITIONAL, TO_OURSELVES, WHOLE, Argument

Mode = Literal["enforce", "log"]

MACHINES = ("x86_64", "aarch64", "armv6l", "armv7l", "armv8l")
"""What the list was made for: elsewhere numbers of ioctls and orders of arguments differ."""

_BINARY_TREE = 2
_NATIVE = 0
_UNKNOWN = -1
_ERRORS = (OSError, RuntimeError)
"""Of pyseccomp and of libseccomp's own binding."""


def library() -> types.ModuleType:
    """Raises Unavailable where there is neither."""
    for name in ("seccomp", "pyseccomp"):
        # OSError: pyseccomp is there, but no libseccomp.
        with contextlib.suppress(ImportError, OSError), _by_their_names():
            return importlib.import_module(name)
    raise Unavailable("no libseccomp", "apt install python3-seccomp, or pip install pyseccomp")


@contextlib.contextmanager
def _by_their_names() -> Iterator[None]:
    """pyseccomp would have ldconfig or even gcc look for libraries, which a container's own profile may forbid."""
    find = ctypes.util.find_library
    ctypes.util.find_library = {"seccomp": "libseccomp.so.2"}.get  # type: ignore[assignment]
    try:
        yield
    finally:
        ctypes.util.find_library = find


class Filters:
    """Made ready while libraries can still be found; `load` then binds."""

    def __init__(self, mode: Mode) -> None:
        """What is refused gets EPERM and a line in the audit log, with `log` the line alone. Raises Unavailable."""
        if platform.machine() not in MACHINES:
            lacking = f"no list of system calls for {platform.machine()}"
            raise Unavailable(lacking, f"there is one for {', '.join(MACHINES)}")
        lib = library()
        try:
            self._quiet = lib.SyscallFilter(lib.ALLOW)
            self._strict = lib.SyscallFilter(lib.LOG if mode == "log" else refusal(lib))
            answer(lib, self._quiet)
            permit(lib, self._strict)
            for each in (self._quiet, self._strict):
                each.set_attr(lib.Attr.CTL_TSYNC, 1)
                each.set_attr(lib.Attr.CTL_OPTIMIZE, _BINARY_TREE)
            self._strict.set_attr(lib.Attr.CTL_LOG, 1)
        except _ERRORS as error:  # libseccomp asks the kernel at once whether it can
            raise _refused(error) from error
        self.allowed = sum(lib.resolve_syscall(_NATIVE, name) >= 0 for name in names())
        """System calls of this machine that may be made, with any arguments or with some."""

    def load(self) -> None:
        """Binds every thread of the process for good. Raises Unavailable."""
        try:
            self._quiet.load()  # first: the other lets nobody load one
            self._strict.load()
        except _ERRORS as error:
            raise _refused(error) from error


def _refused(error: OSError | RuntimeError) -> Unavailable:
    return Unavailable(
        f"the kernel takes no seccomp filter ({getattr(error, 'strerror', None) or error})",
        "run one with CONFIG_SECCOMP_FILTER, or let the container allow the seccomp system call",
    )


def refusal(lib: types.ModuleType) -> int:
    action: int = lib.ERRNO(errno.EPERM)
    return action


def names() -> list[str]:
    return [name for group in (*ALLOWED, *CONDITIONAL, TO_OURSELVES) for name in group.names]


def answer(lib: types.ModuleType, quiet: Any) -> None:
    """Fills the filter that answers what libraries ask in vain: one of its own, which logs nothing."""
    for answer in ANSWERED:
        for name in answer.names:
            _add(lib, quiet, lib.ERRNO(answer.errno), name, answer.arguments)


def permit(lib: types.ModuleType, strict: Any) -> None:
    """Fills the allow-list. What the other filter answers passes here."""
    for group in ALLOWED:
        for name in group.names:
            _add(lib, strict, lib.ALLOW, name)
    for conditional in CONDITIONAL:
        for name in conditional.names:
            for alternative in conditional.alternatives:
                _add(lib, strict, lib.ALLOW, name, alternative)
    for name in TO_OURSELVES.names:
        _add(lib, strict, lib.ALLOW, name, (Argument(0, WHOLE, os.getpid()),))
    for answer in ANSWERED:
        for name in answer.names:
            _add(lib, strict, lib.ALLOW, name, answer.arguments)


def _add(lib: types.ModuleType, to: Any, action: int, name: str, arguments: tuple[Argument, ...] = ()) -> None:
    """Nothing comes of a name that the machine does not know, or this libseccomp."""
    if lib.resolve_syscall(_NATIVE, name) != _UNKNOWN:
        to.add_rule(action, name, *(lib.Arg(a.number, lib.MASKED_EQ, a.mask, a.value) for a in arguments))
