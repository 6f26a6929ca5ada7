"""The allow-list as the kernel would read it, for every machine that it is made for."""

import errno
import mmap
import os
import socket
import subprocess
import sys
import tempfile
from typing import Any

import pytest

from collector.sandbox import seccomp
from collector.sandbox.errors import Unavailable
from collector.sandbox.syscalls import ALLOWED, ANSWERED, CONDITIONAL, TO_OURSELVES
from tests.sandbox.bpf import ALLOW, ERRNO, verdict

EPERM, ENOSYS = ERRNO | errno.EPERM, ERRNO | errno.ENOSYS
THREAD = 0x7D0F00
"""CLONE_THREAD and what glibc asks for beside it."""

try:
    lib = seccomp.library()
except Unavailable as lacking:
    pytest.skip(str(lacking), allow_module_level=True)


class Machine:
    def __init__(self, name: str) -> None:
        self.arch: int = getattr(lib.Arch, name)
        self._strict = self._filter(lib.ERRNO(errno.EPERM), seccomp.permit)
        self._quiet = self._filter(lib.ALLOW, seccomp.answer)

    def _filter(self, default: int, fill: Any) -> bytes:
        made = lib.SyscallFilter(default)
        if not made.exist_arch(self.arch):
            made.add_arch(self.arch)
            made.remove_arch(lib.Arch.NATIVE)
        fill(lib, made)
        with tempfile.TemporaryFile() as file:
            made.export_bpf(file)
            file.seek(0)
            return file.read()

    def says(self, name: str, *arguments: int) -> int:
        """As the kernel joins the two filters: refused where either refuses."""
        number = lib.resolve_syscall(self.arch, name)
        assert number >= 0, f"{name} is not known there"
        audit = self.arch & 0xFFFFFFFF  # Debian's binding has some as negative numbers
        quiet = verdict(self._quiet, audit, number, arguments)
        return quiet if quiet != ALLOW else verdict(self._strict, audit, number, arguments)


@pytest.fixture(scope="module", params=["X86_64", "AARCH64", "ARM"])
def machine(request: pytest.FixtureRequest) -> Machine:
    return Machine(request.param)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("openat", ()),
        ("fdatasync", ()),
        ("accept4", ()),
        ("clock_adjtime", ()),
        ("clone", (THREAD,)),
        ("kill", (os.getpid(), 6)),
        ("mprotect", (0, 4096, mmap.PROT_READ | mmap.PROT_WRITE)),
        ("socket", (socket.AF_INET6, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, 6)),
        ("socket", (socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC, 0)),
        ("socket", (socket.AF_UNIX, socket.SOCK_DGRAM, 0)),
        ("ioctl", (3, 0x5401)),
        ("ioctl", (3, 0x802C542A)),
        ("ioctl", (3, 0xFFFFFFFF802C542A)),  # as musl passes it
        ("prctl", (15,)),
        ("prlimit64", (0, 7, 0)),
    ],
)
def test_what_the_daemon_does_is_allowed(machine: Machine, name: str, arguments: tuple[int, ...]) -> None:
    assert machine.says(name, *arguments) == ALLOW


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("execve", ()),
        ("execveat", ()),
        ("ptrace", ()),
        ("clone", (17,)),  # fork: SIGCHLD alone
        ("clone", (THREAD | 0x40000000,)),  # a thread in a network of its own
        ("mprotect", (0, 4096, mmap.PROT_READ | mmap.PROT_EXEC)),
        ("memfd_create", ()),
        ("pkey_mprotect", ()),
        ("personality", ()),
        ("socket", (socket.AF_PACKET, socket.SOCK_RAW, 0)),
        ("socket", (socket.AF_INET, socket.SOCK_RAW, 1)),
        ("socket", (socket.AF_INET, socket.SOCK_DGRAM, 1)),
        ("socketpair", (socket.AF_INET, 0, 0)),
        ("kill", (1, 9)),
        ("ioctl", (0, 0x5412)),  # TIOCSTI
        ("prctl", (4,)),
        ("prlimit64", (0, 7, 4096)),
        ("symlinkat", ()),
        ("seccomp", ()),
    ],
)
def test_what_it_never_does_is_refused(machine: Machine, name: str, arguments: tuple[int, ...]) -> None:
    assert machine.says(name, *arguments) == EPERM


def test_memory_may_be_mapped_but_never_executed(machine: Machine) -> None:
    name = "mmap2" if lib.resolve_syscall(machine.arch, "mmap") < 0 else "mmap"
    assert machine.says(name, 0, 4096, mmap.PROT_READ | mmap.PROT_WRITE) == ALLOW
    assert machine.says(name, 0, 4096, mmap.PROT_READ | mmap.PROT_EXEC) == EPERM


def test_what_libraries_try_is_answered_as_a_kernel_without_it_would(machine: Machine) -> None:
    assert machine.says("clone3") == ENOSYS
    assert machine.says("io_uring_setup") == ENOSYS
    assert machine.says("socket", socket.AF_NETLINK, socket.SOCK_RAW, 0) == ERRNO | errno.EAFNOSUPPORT


@pytest.mark.parametrize(
    ("arch", "name"),
    [("ARM", name) for name in ("_llseek", "fcntl64", "fstatat64", "clock_gettime64", "futex_time64", "sigreturn")],
)
def test_a_32_bit_arm_has_its_own_calls(arch: str, name: str) -> None:
    assert Machine(arch).says(name) == ALLOW


def test_every_name_is_one_that_a_machine_knows() -> None:
    machines = [getattr(lib.Arch, arch) for arch in ("X86_64", "AARCH64", "ARM")]
    listed = [name for group in (*ALLOWED, *CONDITIONAL, *ANSWERED, TO_OURSELVES) for name in group.names]
    young = {"fchmodat2", "rseq", "faccessat2", "epoll_pwait2"}
    """Not known to every libseccomp in use."""
    unknown = {name for name in listed if all(lib.resolve_syscall(arch, name) < 0 for arch in machines)}
    assert unknown <= young
    unanswered = [name for group in (*ALLOWED, *CONDITIONAL, TO_OURSELVES) for name in group.names]
    assert len(unanswered) == len(set(unanswered)), "a name twice"


def test_elsewhere_there_is_no_filter_and_one_line_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seccomp.platform, "machine", lambda: "riscv64")
    with pytest.raises(Unavailable, match="riscv64; there is one for x86_64, aarch64"):
        seccomp.Filters("enforce")


def test_without_a_library_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(seccomp.importlib, "import_module", missing)
    with pytest.raises(Unavailable, match="no libseccomp; apt install python3-seccomp"):
        seccomp.Filters("enforce")


@pytest.mark.parametrize("mode", ["enforce", "log"])
@pytest.mark.parametrize("code", ["ENOSYS", "EPERM"])
def test_a_kernel_or_container_without_seccomp_is_told_in_one_line(code: str, mode: str) -> None:
    # libseccomp remembers what a kernel can, so another process looks again.
    program = f"""
import errno, os, sys
from collector.sandbox import seccomp
lib = seccomp.library()
outer = lib.SyscallFilter(lib.ALLOW)
outer.add_rule(lib.ERRNO(errno.{code}), "seccomp")
outer.add_rule(lib.ERRNO(errno.EINVAL), "prctl", lib.Arg(0, lib.EQ, 22))
outer.load()
inner = "from collector.sandbox import wall; print(*wall.prospect('{mode}').missing[:1])"
os.execv(sys.executable, [sys.executable, "-c", inner])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30)
    (line,) = done.stdout.splitlines() or [done.stderr]
    assert line.startswith("the kernel takes no seccomp filter (")
    assert "CONFIG_SECCOMP_FILTER" in line
