"""The unit: what systemd itself says of it, and that it fits the program."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from collector.daemon import RELOAD
from collector.figures import STUCK

SYSTEMD = Path(__file__).parents[2] / "systemd"
UNIT = SYSTEMD / "edge-collector.service"

EXPOSURE = 1.3
"""Of 10, as `systemd-analyze security` reckons it, in 252 (Debian 12) and in 257 (Debian 13) alike: the lowest for a
service that opens serial lines and may reach any broker. What is left is those lines, the network and /proc."""

needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")


def directives() -> dict[str, list[str]]:
    """Every directive's values, in order."""
    found: dict[str, list[str]] = {}
    for line in UNIT.read_text().splitlines():
        if match := re.match(r"(\w+)=(.*)", line):
            found.setdefault(match[1], []).append(match[2])
    return found


def seconds(directive: str) -> float:
    return float(directives()[directive][0].removesuffix("s"))


def analyze(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(["systemd-analyze", *map(str, arguments)], capture_output=True, text=True, timeout=60)


@needs_systemd
def test_how_exposed_it_is() -> None:
    done = analyze("security", "--offline=true", f"--threshold={EXPOSURE * 10:.0f}", "--no-pager", UNIT)
    version = analyze("--version").stdout.split()[1]
    overall = re.search(r"Overall exposure level for edge-collector.service: ([\d.]+)", done.stdout)
    assert overall is not None, done.stdout + done.stderr
    print(f"systemd {version}: {overall[1]}")
    assert float(overall[1]) <= EXPOSURE, "\n".join(line for line in done.stdout.splitlines() if "✗" in line)


@needs_systemd
def test_systemd_knows_every_directive_and_value(tmp_path: Path) -> None:
    copy = tmp_path / UNIT.name
    copy.write_text(re.sub("^Exec(Start|Reload)=.*", r"Exec\1=/bin/true", UNIT.read_text(), flags=re.MULTILINE))
    done = analyze("verify", "--man=no", "--recursive-errors=no", copy)
    ours = [line for line in done.stderr.splitlines() if UNIT.stem in line]
    assert (done.returncode, ours) == (0, [])


def test_it_starts_again_at_once_after_a_reload_and_not_after_a_mistake() -> None:
    unit = directives()
    assert unit["ExecReload"] == ["/bin/kill -HUP $MAINPID"]
    assert unit["Restart"] == ["always"]
    assert unit["RestartForceExitStatus"] == unit["SuccessExitStatus"] == [str(RELOAD)]
    assert unit["RestartPreventExitStatus"] == ["2"]
    assert unit["StartLimitIntervalSec"] == ["0"], "nobody is there to start it again"
    assert unit["RuntimeDirectoryPreserve"] == ["restart"], "what is in RAM lies there"


def test_a_box_that_boots_offline_collects() -> None:
    """Units that are enabled on many boxes hold these back until there is an uplink."""
    waited_for = " ".join(value for name in ("After", "Wants", "Requires") for value in directives().get(name, []))
    assert not {"network-online.target", "time-sync.target"} & set(waited_for.split())


def test_one_slow_fsync_is_no_crash_loop() -> None:
    assert seconds("WatchdogSec") >= STUCK >= 60


def test_user_and_directories_are_there_before_it() -> None:
    unit = directives()
    assert unit["User"] == unit["Group"] == ["edge-collector"]
    users = [line.split() for line in (SYSTEMD / "sysusers.d/edge-collector.conf").read_text().splitlines()]
    assert ["u", "edge-collector"] in [line[:2] for line in users]
    assert ["m", "edge-collector", "dialout"] in users
    made = [line.split() for line in (SYSTEMD / "tmpfiles.d/edge-collector.conf").read_text().splitlines()]
    _, secrets = unit["LoadCredential"][0].split(":")
    assert ["d", secrets, "0700", "root", "root", "-"] in made, "without it the service does not start"
