"""The system calls that the daemon may make, and why. Data alone: `seccomp` and `profile` read it.

Names are of x86_64, aarch64 and 32-bit ARM together; one that a machine does not know is passed over there.
"""

import errno
import socket
from typing import Final, NamedTuple


class Group(NamedTuple):
    reason: str
    names: tuple[str, ...]


class Argument(NamedTuple):
    """Holds where argument `number`, counted from 0, has `value` in the bits of `mask`."""

    number: int
    mask: int
    value: int


class Conditional(NamedTuple):
    """Allowed where all arguments of any one alternative hold."""

    reason: str
    names: tuple[str, ...]
    alternatives: tuple[tuple[Argument, ...], ...]


class Answer(NamedTuple):
    """Refused without a word in the audit log: a library asks as a matter of course, and goes on by another way."""

    reason: str
    names: tuple[str, ...]
    errno: int
    arguments: tuple[Argument, ...] = ()


ALLOWED: Final = (
    Group(
        "read and write what is open",
        (
            *("read", "readv", "pread64", "preadv", "write", "writev", "pwrite64", "pwritev"),
            *("close", "lseek", "_llseek", "dup", "dup2", "dup3", "pipe", "pipe2"),
        ),
    ),
    Group(
        "open files; which ones is for Landlock and the unit to say, seccomp sees no paths",
        (
            *("open", "openat", "access", "faccessat", "faccessat2", "readlink", "readlinkat", "getcwd"),
            *("stat", "lstat", "fstat", "newfstatat", "fstatat64", "stat64", "lstat64", "fstat64", "statx"),
            *("statfs", "statfs64", "fstatfs", "fstatfs64", "getdents", "getdents64"),
        ),
    ),
    Group(
        "keep the spool, the tail journal and file sinks: make, rotate, lock, sync and remove files",
        (
            *("mkdir", "mkdirat", "rmdir", "unlink", "unlinkat", "rename", "renameat", "renameat2"),
            *(
                "truncate",
                "truncate64",
                "ftruncate",
                "ftruncate64",
                "fallocate",
                "fsync",
                "fdatasync",
                "flock",
                "umask",
            ),
            *("link", "linkat"),  # a damaged tail journal is kept under another name as well
            "fchown",  # SQLite gives a new WAL to the owner of the database
            "fchown32",
        ),
    ),
    Group(
        "memory, none of it executable: see mmap and mprotect below",
        ("brk", "munmap", "mremap", "madvise"),
    ),
    Group(
        "threads: the log, SQLite, name look-ups, serial lines",
        (
            *("futex", "futex_time64", "set_robust_list", "rseq", "gettid", "sched_yield", "sched_getaffinity"),
            *("exit", "exit_group"),
        ),
    ),
    Group(
        "signals, to be stopped by",
        ("rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigreturn", "sigaltstack", "restart_syscall"),
    ),
    Group(
        "wait: the event loop, and threads that poll",
        (
            *("epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait", "epoll_pwait2", "eventfd2"),
            *("poll", "ppoll", "ppoll_time64", "select", "_newselect", "pselect6", "pselect6_time64"),
            *("nanosleep", "clock_nanosleep", "clock_nanosleep_time64"),
        ),
    ),
    Group(
        "clocks; adjtimex says whether the time is synchronised, and sets it for none who lack CAP_SYS_TIME",
        (
            *("clock_gettime", "clock_gettime64", "clock_getres", "clock_getres_time64", "gettimeofday", "time"),
            *("adjtimex", "clock_adjtime", "clock_adjtime64"),
        ),
    ),
    Group(
        "sockets, once there is one: see socket below; to which ports is for Landlock to say",
        (
            *("connect", "bind", "listen", "accept", "accept4", "shutdown", "getsockname", "getpeername"),
            *("getsockopt", "setsockopt"),
            *("recv", "recvfrom", "recvmsg", "recvmmsg", "recvmmsg_time64"),
        ),
    ),
    Group(
        "who and where we are",
        (
            *("getpid", "getuid", "getuid32", "geteuid", "geteuid32", "getgid", "getgid32", "getegid", "getegid32"),
            *("uname", "sysinfo", "getrandom", "getrlimit", "ugetrlimit"),
        ),
    ),
)

TO_OURSELVES: Final = Group("signals to this process and no other: abort() sends one", ("kill", "tgkill"))
"""Allowed where the first argument is our own process id."""

WHOLE: Final = 0xFFFF_FFFF
"""musl extends the sign of an ioctl's number, and all flags lie in the lower half too."""

_PROT_EXEC: Final = 0x4
_CLONE_THREAD: Final = 0x0001_0000
_CLONE_NEW: Final = 0x7E02_0000
"""All namespaces: root could have a thread of its own in a new one."""

_SOCK_TYPE_MASK: Final = 0xF

_OTHERS_OR_SETUID: Final = 0o7077

_MSG_FASTOPEN: Final = 0x2000_0000

_FCNTLS: Final = {
    "F_DUPFD": 0,
    "F_GETFD": 1,
    "F_SETFD": 2,
    "F_GETFL": 3,
    "F_SETFL": 4,
    "F_GETLK": 5,
    "F_SETLK": 6,
    "F_SETLKW": 7,
    "F_GETLK64": 12,
    "F_SETLK64": 13,
    "F_SETLKW64": 14,
    "F_DUPFD_CLOEXEC": 1030,
}
"""asm-generic/fcntl.h and linux/fcntl.h."""

_IOCTLS: Final = {
    "TCGETS": 0x5401,
    "TCSETS": 0x5402,
    "TCSETSW": 0x5403,
    "TCSETSF": 0x5404,
    "TCSBRK": 0x5409,
    "TCXONC": 0x540A,
    "TCFLSH": 0x540B,
    "TIOCEXCL": 0x540C,
    "TIOCNXCL": 0x540D,
    "TIOCOUTQ": 0x5411,
    "TIOCGWINSZ": 0x5413,
    "TIOCMGET": 0x5415,
    "TIOCMBIS": 0x5416,
    "TIOCMBIC": 0x5417,
    "TIOCMSET": 0x5418,
    "FIONREAD": 0x541B,
    "FIONBIO": 0x5421,
    "TCSBRKP": 0x5425,
    "TIOCSBRK": 0x5427,
    "TIOCCBRK": 0x5428,
    "TIOCGRS485": 0x542E,
    "TIOCSRS485": 0x542F,
    "FIONCLEX": 0x5450,
    "FIOCLEX": 0x5451,
    "TCGETS2": 0x802C542A,
    "TCSETS2": 0x402C542B,
    "TCSETSW2": 0x402C542C,
    "TCSETSF2": 0x402C542D,
    "SIOCGIFNAME": 0x8910,
    "SIOCGIFINDEX": 0x8933,
}
"""asm-generic/ioctls.h. The last two are for addresses such as fe80::1%eth0."""


def _kind(family: socket.AddressFamily, kind: socket.SocketKind, protocol: int) -> tuple[Argument, ...]:
    return Argument(0, WHOLE, family), Argument(1, _SOCK_TYPE_MASK, kind), Argument(2, WHOLE, protocol)


_SOCKETS: Final = (
    *(_kind(socket.AF_UNIX, kind, 0) for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM)),
    *(
        _kind(family, kind, protocol)
        for family in (socket.AF_INET, socket.AF_INET6)
        for kind, own in ((socket.SOCK_STREAM, socket.IPPROTO_TCP), (socket.SOCK_DGRAM, socket.IPPROTO_UDP))
        for protocol in (0, own)
    ),
)

CONDITIONAL: Final = (
    Conditional("no memory that can be executed", ("mmap", "mmap2", "mprotect"), ((Argument(2, _PROT_EXEC, 0),),)),
    Conditional(
        "threads, but no process and no namespace",
        ("clone",),
        ((Argument(0, _CLONE_THREAD | _CLONE_NEW, _CLONE_THREAD),),),
    ),
    Conditional("TCP, UDP and Unix sockets: nothing raw, no packets, no netlink", ("socket",), _SOCKETS),
    Conditional(
        "files are made private; Landlock knows no modes, so none is opened to others or made setuid",
        ("chmod", "fchmod"),
        ((Argument(1, _OTHERS_OR_SETUID, 0),),),
    ),
    Conditional("the same by another name", ("fchmodat", "fchmodat2"), ((Argument(2, _OTHERS_OR_SETUID, 0),),)),
    Conditional(
        "send, but never connect with it (TCP Fast Open): Landlock does not see that",
        ("send", "sendto", "sendmmsg"),
        ((Argument(3, _MSG_FASTOPEN, 0),),),
    ),
    Conditional("the same, whose flags stand elsewhere", ("sendmsg",), ((Argument(2, _MSG_FASTOPEN, 0),),)),
    Conditional(
        "descriptors and locks; F_SETOWN, which has the kernel send signals to anybody, is not among them",
        ("fcntl", "fcntl64"),
        tuple((Argument(1, WHOLE, command),) for command in _FCNTLS.values()),
    ),
    Conditional("the event loop's own pair", ("socketpair",), ((Argument(0, WHOLE, socket.AF_UNIX),),)),
    Conditional(
        "threads have names, and memory may", ("prctl",), ((Argument(0, WHOLE, 15),), (Argument(0, WHOLE, 0x53564D41),))
    ),
    Conditional(
        "limits of resources are looked at, never set",
        ("prlimit64",),
        ((Argument(2, WHOLE, 0),),),
    ),
    Conditional(
        "serial lines, and what sockets and files are asked; TIOCSTI, which types on a terminal, is not among them",
        ("ioctl",),
        tuple((Argument(1, WHOLE, request),) for request in _IOCTLS.values()),
    ),
)

ANSWERED: Final = (
    Answer(
        "work done by io_uring passes seccomp by; libuv takes epoll alone instead, and aborts if told no only later",
        ("io_uring_setup", "io_uring_enter", "io_uring_register"),
        errno.ENOSYS,
    ),
    Answer("its flags lie in memory, where no filter sees them; glibc takes clone instead", ("clone3",), errno.ENOSYS),
    Answer(
        "getaddrinfo asks for the addresses of this machine, and does without",
        ("socket",),
        errno.EAFNOSUPPORT,
        (Argument(0, WHOLE, socket.AF_NETLINK),),
    ),
)
