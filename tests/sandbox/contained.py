"""Runs the collector as a container would: `python -m tests.sandbox.contained PROFILE COMMAND...`.

PROFILE is a seccomp profile in JSON, as `collector.sandbox.profile` prints it; it stands before the first program.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

from collector.sandbox import seccomp


def load(profile: dict[str, Any]) -> None:
    lib = seccomp.library()
    actions = {"SCMP_ACT_ALLOW": lib.ALLOW}
    made = lib.SyscallFilter(lib.ERRNO(profile["defaultErrnoRet"]))
    for rule in profile["syscalls"]:
        action = actions.get(rule["action"]) or lib.ERRNO(rule["errnoRet"])
        arguments = [lib.Arg(a["index"], lib.MASKED_EQ, a["value"], a["valueTwo"]) for a in rule.get("args", ())]
        for name in rule["names"]:
            if lib.resolve_syscall(0, name) != -1:
                made.add_rule(action, name, *arguments)
    made.load()


if __name__ == "__main__":
    load(json.loads(Path(sys.argv[1]).read_text()))
    os.execv(sys.executable, [sys.executable, "-m", "collector", *sys.argv[2:]])
