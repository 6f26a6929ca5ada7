"""Whether kernel or login prompt use a configured port: on a Raspberry Pi they do until told not to."""

from collections.abc import Iterator
from pathlib import Path

from collector.doctor.finding import Finding, Subject

_ADVICE = (
    "raspi-config, Interface Options, Serial Port: login shell no, hardware yes; or: "
    "systemctl disable --now serial-getty@{name}.service and remove console={name},... "
    "(or console=serial0,...) from /boot/firmware/cmdline.txt; then reboot"
)


def examine(subject: Subject, port: str, proc: Path = Path("/proc"), dev: Path = Path("/dev")) -> Iterator[Finding]:
    """The console eats part of what the sensor sends, and the sensor reads boot messages as commands."""
    name = Path(port).resolve().name
    there = Subject(subject.subject, f"{subject.where}: {port}")
    users = []
    if name in _kernel_consoles(proc, dev):
        users.append("the kernel writes its messages to it")
    if name in _login_prompts(proc, dev):
        users.append("a login prompt reads from it")
    if users:
        yield there.fail(" and ".join(users), _ADVICE.format(name=name))
    else:
        yield there.ok("not used as a console")


def _kernel_consoles(proc: Path, dev: Path) -> set[str]:
    """`console=serial0,115200`: serial0 is a link to what the firmware made the primary UART."""
    words = (proc / "cmdline").read_text().split()
    named = [word.removeprefix("console=").split(",")[0] for word in words if word.startswith("console=")]
    return {(dev / name).resolve().name for name in named}


def _login_prompts(proc: Path, dev: Path) -> set[str]:
    found = set()
    for cmdline in proc.glob("[0-9]*/cmdline"):
        try:
            words = cmdline.read_bytes().decode("utf-8", "replace").split("\0")
        except OSError:  # the process has ended
            continue
        if Path(words[0]).name in ("agetty", "getty", "mgetty"):
            found |= {(dev / word.removeprefix("/dev/")).resolve().name for word in words[1:] if word[:1] != "-"}
    return found
