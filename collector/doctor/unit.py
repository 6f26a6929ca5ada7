"""The systemd unit, where there is one: does it run, and do its walls stand."""

import subprocess
from collections.abc import Callable, Iterator, Mapping

from collector.doctor.finding import Finding, Subject

UNIT = "edge-collector.service"

WALLS = {
    "User": "edge-collector",
    "CapabilityBoundingSet": "",
    "DevicePolicy": "closed",
    "LockPersonality": "yes",
    "MemoryDenyWriteExecute": "yes",
    "NoNewPrivileges": "yes",
    "PrivateTmp": "yes",
    "PrivateUsers": "yes",
    "ProtectControlGroups": "yes",
    "ProtectHome": "yes",
    "ProtectKernelLogs": "yes",
    "ProtectKernelModules": "yes",
    "ProtectKernelTunables": "yes",
    "ProtectProc": "invisible",
    "ProtectSystem": "strict",
    "RestrictNamespaces": "yes",
    "RestrictRealtime": "yes",
    "RestrictSUIDSGID": "yes",
}
"""As the unit has them; what a site may have reason to widen (devices, paths, addresses) is not looked at."""


def show() -> Mapping[str, str]:
    """What systemd says of the unit in force, overrides and all; empty where there is no systemd, or no such unit."""
    names = ["LoadState", "ActiveState", "Result", "ExecMainStatus", "DropInPaths", *WALLS]
    try:
        done = subprocess.run(
            ["systemctl", "show", UNIT, f"--property={','.join(names)}"], capture_output=True, text=True, timeout=4
        )
    except (OSError, subprocess.TimeoutExpired):
        return {}
    said = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
    return said if said.get("LoadState") == "loaded" else {}


def examine(subject: Subject, show: Callable[[], Mapping[str, str]] = show) -> Iterator[Finding]:
    said = show()
    if not said:
        return
    if said.get("ActiveState") == "failed" or (
        said.get("ActiveState") == "activating" and said.get("Result") != "success"
    ):
        yield subject.fail(
            f"{said['ActiveState']}: {said.get('Result')}, exit code {said.get('ExecMainStatus')}",
            "journalctl -u edge-collector -n 20 says why; once that is mended: systemctl restart edge-collector",
        )
    missing = [f"{name}=" for name, wanted in WALLS.items() if said.get(name, wanted) != wanted]
    if missing:
        override = said.get("DropInPaths") or "the unit itself"
        yield subject.warn(
            f"runs without {', '.join(missing)} ({override})",
            "take that back: systemctl edit edge-collector, or all of it: systemctl revert edge-collector; "
            "then systemctl restart edge-collector",
        )
    elif said.get("ActiveState") == "active":
        yield subject.ok("runs, and its walls stand")
