"""What somebody would try who has taken over the daemon: `python -m tests.sandbox.attacks CONFIG SCENE` tries it all.

It does so where the daemon's own code runs, after `confine`, in a thread, and prints each attempt with what became
of it. Nothing on the machine is changed that is not changed back.
"""

import ctypes
import errno
import fcntl
import json
import mmap
import os
import platform
import resource
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from collector.check import load_checked
from collector.confine import confine

DONE = "done"

_libc = ctypes.CDLL(None, use_errno=True)

_NUMBERS = {
    "x86_64": {"ptrace": 101, "bpf": 321, "perf_event_open": 298, "add_key": 248, "unshare": 272, "personality": 135}
    | {"process_vm_readv": 310, "userfaultfd": 323, "pivot_root": 155, "seccomp": 317},
    "aarch64": {"ptrace": 117, "bpf": 280, "perf_event_open": 241, "add_key": 217, "unshare": 97, "personality": 92}
    | {"process_vm_readv": 270, "userfaultfd": 282, "pivot_root": 41, "seccomp": 277},
}
_SAME_EVERYWHERE = {"io_uring_setup": 425, "clone3": 435, "pidfd_open": 434}

REACHED = {errno.EINVAL, errno.EFAULT, errno.ENOEXEC, errno.EBADF, errno.ESRCH, errno.ENOENT, errno.E2BIG}
"""The kernel has looked at what was asked for: arguments that do nothing are all that kept it."""


def call(name: str, *arguments: object) -> None:
    number = (_SAME_EVERYWHERE | _NUMBERS[platform.machine()])[name]
    checked(_libc.syscall(number, *arguments))


def checked(result: int) -> None:
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


@dataclass
class Scene:
    """What there is to be attacked."""

    own: str
    """The daemon's data directory."""
    outside: str
    """A directory that no part of the configuration names, with the files `program` and `victim`."""
    process: int
    port: int
    """Somebody listens there."""
    free_port: int
    abstract: str
    """The name of an abstract Unix socket that somebody listens on."""


class Attacks:
    """Every public method is an attempt; its docstring is the table's row."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._own = Path(scene.own)
        self._outside = Path(scene.outside)

    def fork(self) -> None:
        """fork"""
        if not (pid := os.fork()):
            os._exit(0)
        os.waitpid(pid, 0)

    def spawn(self) -> None:
        """run a program"""
        subprocess.run(["/bin/true"], check=True)

    def execve(self) -> None:
        """become another program (execve)"""
        os.execv(self._outside / "program", ["program"])

    def writable_code(self) -> None:
        """map memory to write and execute code in"""
        mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC).close()

    def make_executable(self) -> None:
        """make memory executable (mprotect)"""
        room = mmap.mmap(-1, 4096)
        address = ctypes.addressof(ctypes.c_char.from_buffer(room))
        checked(_libc.mprotect(ctypes.c_void_p(address), 4096, mmap.PROT_READ | mmap.PROT_EXEC))

    def library(self) -> None:
        """load a shared library"""
        for file in Path("/lib", f"{platform.machine()}-linux-gnu").glob("libBrokenLocale.so.1"):
            ctypes.CDLL(str(file))

    def memfd(self) -> None:
        """make a file without a name (memfd_create)"""
        os.close(os.memfd_create("program"))

    def ptrace(self) -> None:
        """trace a process (ptrace)"""
        call("ptrace", 0x4206, self._scene.process, 0, 0)

    def other_memory(self) -> None:
        """read the memory of another process"""
        call("process_vm_readv", self._scene.process, 0, 0, 0, 0, 0)

    def other_memory_file(self) -> None:
        """open the memory of another process (/proc/PID/mem)"""
        os.close(os.open(f"/proc/{self._scene.process}/mem", os.O_RDWR))

    def signal(self) -> None:
        """send a signal to another process"""
        os.kill(self._scene.process, 0)

    def signal_by_kernel(self) -> None:
        """have the kernel send a signal to another process (F_SETOWN)"""
        with socket.socket(socket.AF_UNIX) as own:
            fcntl.fcntl(own, fcntl.F_SETOWN, self._scene.process)

    def pidfd(self) -> None:
        """take hold of another process (pidfd_open)"""
        call("pidfd_open", self._scene.process, 0)

    def namespace(self) -> None:
        """make a namespace (unshare)"""
        call("unshare", 0x04000000)

    def process_in_namespace(self) -> None:
        """make a process in a new user namespace (clone3)"""
        arguments = struct.pack("8Q", 0x10000000, 0, 0, 0, 0, 0, 0, 0)
        buffer = ctypes.create_string_buffer(arguments)
        call("clone3", buffer, 1)

    def mount(self) -> None:
        """mount a file system"""
        place = str(self._outside).encode()
        checked(_libc.mount(b"none", place, b"tmpfs", 0, None))
        checked(_libc.umount2(place, 2))

    def chroot(self) -> None:
        """change the root directory"""
        os.chroot("/")

    def pivot_root(self) -> None:
        """exchange the root file system (pivot_root)"""
        call("pivot_root", 0, 0)

    def bpf(self) -> None:
        """load a BPF program"""
        call("bpf", 5, 0, 0)

    def perf(self) -> None:
        """watch the kernel (perf_event_open)"""
        call("perf_event_open", 0, 0, 0, 0, 0)

    def keys(self) -> None:
        """use the kernel's key ring"""
        call("add_key", 0, 0, 0, 0, 0)

    def userfaultfd(self) -> None:
        """handle page faults (userfaultfd)"""
        call("userfaultfd", 0x8000)

    def io_uring(self) -> None:
        """make an io_uring, past every filter"""
        call("io_uring_setup", 0, 0)

    def personality(self) -> None:
        """switch address randomisation off (personality)"""
        call("personality", 0x0040000)

    def lift(self) -> None:
        """add a filter of its own (seccomp)"""
        call("seccomp", 1, 0, 0)

    def identity(self) -> None:
        """become another user (setuid)"""
        os.setuid(os.getuid())

    def host_name(self) -> None:
        """rename the machine"""
        socket.sethostname(socket.gethostname())

    def limits(self) -> None:
        """raise its limits"""
        resource.prlimit(0, resource.RLIMIT_CORE, resource.getrlimit(resource.RLIMIT_CORE))

    def terminal(self) -> None:
        """type on a terminal (TIOCSTI)"""
        fcntl.ioctl(0, 0x5412, b"x")

    def packets(self) -> None:
        """read and forge packets (AF_PACKET)"""
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)).close()

    def raw(self) -> None:
        """raw IP socket"""
        socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP).close()

    def netlink(self) -> None:
        """change routes and addresses (AF_NETLINK)"""
        socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0).close()

    def connect(self) -> None:
        """connect to a TCP port that is not configured"""
        socket.create_connection(("127.0.0.1", self._scene.port), timeout=5).close()

    def connect_with_data(self) -> None:
        """connect to it by sending (TCP Fast Open)"""
        with socket.socket() as connection:
            connection.sendto(b"x", socket.MSG_FASTOPEN, ("127.0.0.1", self._scene.port))

    def listen(self) -> None:
        """listen on a TCP port that is not configured"""
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", self._scene.free_port))

    def abstract_socket(self) -> None:
        """connect to an abstract Unix socket"""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(f"\0{self._scene.abstract}")

    def shadow(self) -> None:
        """read /etc/shadow"""
        Path("/etc/shadow").read_bytes()

    def home(self) -> None:
        """list /root"""
        list(Path("/root").iterdir())

    def temporary(self) -> None:
        """read a file elsewhere"""
        (self._outside / "program").read_bytes()

    def passwords(self) -> None:
        """open /etc/passwd for writing"""
        os.close(os.open("/etc/passwd", os.O_WRONLY | os.O_APPEND))

    def write(self) -> None:
        """make a file elsewhere"""
        (self._outside / "new").touch()

    def remove(self) -> None:
        """remove a file elsewhere"""
        (self._outside / "victim").unlink()

    def mode(self) -> None:
        """let others at a file elsewhere (chmod)"""
        (self._outside / "program").chmod(0o755)

    def carry_out(self) -> None:
        """move a file of its own elsewhere"""
        (self._own / "loot").touch()
        (self._own / "loot").rename(self._outside / "loot")

    def memory_device(self) -> None:
        """open a block or memory device"""
        os.close(os.open("/dev/kmsg", os.O_RDWR))

    def kernel_settings(self) -> None:
        """change a setting of the kernel (/proc/sys)"""
        os.close(os.open("/proc/sys/kernel/core_pattern", os.O_WRONLY))

    def node(self) -> None:
        """make a device file, in its own directory"""
        os.mknod(self._own / "node", 0o600 | 0o20000, os.makedev(1, 3))

    def link(self) -> None:
        """lay a symbolic link, in its own directory"""
        (self._own / "link").symlink_to("/etc/shadow")

    def hard_link(self) -> None:
        """link a file elsewhere into its own directory"""
        (self._own / "hard").hardlink_to(self._outside / "program")

    def attributes(self) -> None:
        """set an extended attribute, such as file capabilities"""
        (self._own / "attributed").touch()
        os.setxattr(self._own / "attributed", "security.attack", b"x")


def attempts() -> dict[str, str]:
    """Method -> row, in the order of the class."""
    return {name: str(method.__doc__) for name, method in vars(Attacks).items() if callable(method) and name[0] != "_"}


def try_all(attacks: Attacks) -> Iterator[tuple[str, str]]:
    for name, row in attempts().items():
        yield row, outcome(getattr(attacks, name))


def outcome(attempt: Callable[[], None]) -> str:
    try:
        attempt()
    except OSError as error:
        if error.errno is None:  # ctypes
            return "EPERM" if "failed to map segment" in str(error) else str(error)
        hidden = error.errno == errno.ENOENT and error.filename is not None  # as ProtectProc= hides processes
        return DONE if error.errno in REACHED and not hidden else errno.errorcode[error.errno]
    return DONE


def main() -> None:
    loaded = load_checked(Path(sys.argv[1]))
    attacks = Attacks(Scene(**json.loads(sys.argv[2])))
    confine(loaded)
    # In a thread: it does not matter which of them is taken over.
    thread = threading.Thread(target=lambda: print(json.dumps(dict(try_all(attacks)))))
    thread.start()
    thread.join()


if __name__ == "__main__":
    main()
