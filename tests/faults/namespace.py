"""A network of the test's own, where packets can be dropped and names can lie."""

import contextlib
import ctypes
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

CLONE_NEWNET = 0x40000000


@contextlib.contextmanager
def own_network(*tools: str) -> Iterator[None]:
    """Sockets and programs of this thread, and of threads started meanwhile, live in a network with a loopback only."""
    for tool in ("ip", *tools):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    libc = ctypes.CDLL(None, use_errno=True)
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        if libc.unshare(CLONE_NEWNET) != 0:
            pytest.skip(f"no network namespace can be made here: {os.strerror(ctypes.get_errno())}")
        try:
            subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
            yield
        finally:
            assert libc.setns(before, CLONE_NEWNET) == 0, "cannot return to the network of before"
    finally:
        os.close(before)


@contextlib.contextmanager
def dropped(port: int) -> Iterator[None]:
    """No packet to or from `port` arrives, and nobody is told."""
    rules = [["INPUT", "-p", "tcp", f"--{side}", str(port), "-j", "DROP"] for side in ("sport", "dport")]
    for rule in rules:
        result = subprocess.run(["iptables", "-w", "-I", *rule], capture_output=True, text=True)
        if result.returncode:
            pytest.skip(f"iptables does not work here: {result.stderr.strip()}")
    try:
        yield
    finally:
        for rule in rules:
            subprocess.run(["iptables", "-w", "-D", *rule], check=True)


def with_hosts(hosts: Path) -> list[str]:
    """Goes before a command: it finds `hosts` as /etc/hosts, and no name server."""
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("only root can give a program its own /etc/hosts")
    nowhere = hosts.with_name("resolv.conf")
    nowhere.write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
    script = f'mount --bind "{hosts}" /etc/hosts && mount --bind "{nowhere}" /etc/resolv.conf && exec "$@"'
    return ["unshare", "-m", "--propagation", "private", "sh", "-c", script, "sh"]
