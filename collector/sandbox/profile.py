"""The same list as a seccomp profile for containers (OCI runtime specification, `linux.seccomp`; Kubernetes takes it as
a localhostProfile): `python -m collector.sandbox.profile`.

A container's profile stands from before its first program, so it also allows what leads to our own walls.
"""

import errno
import sys
from collections.abc import Iterator
from typing import Any

import msgspec

from collector.sandbox.syscalls import ALLOWED, ANSWERED, CONDITIONAL, TO_OURSELVES, Argument, Group

ARCHITECTURES = ("SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM")

START = (
    Group(
        "the runtime's last steps, and the interpreter's first",
        (
            *("execve", "arch_prctl", "set_tls", "set_tid_address", "capget", "capset", "chdir", "fchdir", "getppid"),
            *("setuid", "setuid32", "setgid", "setgid32", "setgroups", "setgroups32"),
        ),
    ),
    Group("libraries are loaded; our own filter then forbids code in memory", ("mmap", "mmap2", "mprotect")),
    Group(
        "our own walls, and who raises them may give up more",
        (
            *("prctl", "seccomp"),
            *("landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self"),
        ),
    ),
)


def profile() -> dict[str, Any]:
    return {
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": errno.EPERM,
        "architectures": list(ARCHITECTURES),
        "syscalls": list(_rules()),
    }


def _rules() -> Iterator[dict[str, Any]]:
    # Signals too: a container sees no processes but its own.
    for group in (*ALLOWED, TO_OURSELVES, *START):
        yield _rule(group.names)
    at_start = {name for group in START for name in group.names}
    for conditional in CONDITIONAL:
        if names := tuple(name for name in conditional.names if name not in at_start):
            for alternative in conditional.alternatives:
                yield _rule(names, alternative)
    for answer in ANSWERED:
        yield _rule(answer.names, answer.arguments, action="SCMP_ACT_ERRNO") | {"errnoRet": answer.errno}


def _rule(
    names: tuple[str, ...], arguments: tuple[Argument, ...] = (), action: str = "SCMP_ACT_ALLOW"
) -> dict[str, Any]:
    rule: dict[str, Any] = {"names": list(names), "action": action}
    if arguments:
        rule["args"] = [
            {"index": a.number, "value": a.mask, "valueTwo": a.value, "op": "SCMP_CMP_MASKED_EQ"} for a in arguments
        ]
    return rule


if __name__ == "__main__":
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(profile()), indent=2).decode() + "\n")
