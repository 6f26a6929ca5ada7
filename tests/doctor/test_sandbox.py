"""What the doctor says of the walls: of those that stand, else of those that could."""

import pytest

from collector.doctor import sandbox
from collector.doctor.finding import Finding, Subject
from collector.sandbox import wall
from collector.sandbox.wall import Wall
from collector.status.report import SandboxReport
from tests.status.reports import busy_report

HERE = Subject("sandbox", "kernel")
WHOLE = "enforce, Landlock ABI 7, seccomp 120 syscalls"


def examined(mode: wall.Mode, stands: str, *lacks: str) -> list[Finding]:
    report = busy_report()
    report.sandbox = SandboxReport(stands, list(lacks))
    return list(sandbox.examine(HERE, mode, report))


def test_the_running_collector_says_what_stands() -> None:
    assert examined("enforce", WHOLE) == [HERE.ok(WHOLE)]


def test_what_is_missing_is_told_with_what_to_do() -> None:
    stands = "enforce, no Landlock, seccomp 120 syscalls"
    [finding] = examined("enforce", stands, "no Landlock (Function not implemented); run another kernel")
    assert (finding.verdict, finding.text) == ("warn", f"{stands}: no Landlock (Function not implemented)")
    assert finding.advice == "run another kernel"


@pytest.mark.parametrize("mode", ["log", "off"])
def test_a_mode_that_refuses_nothing_is_no_wall(mode: wall.Mode) -> None:
    [finding] = examined(mode, mode)
    assert (finding.verdict, "remove sandbox.mode" in finding.advice) == ("warn", True)


def test_before_the_first_start_the_machine_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wall, "prospect", lambda mode: Wall(mode, 6, 119))
    [finding] = sandbox.examine(HERE, "enforce", None)
    assert finding == HERE.ok("would be: enforce, Landlock ABI 6, seccomp 119 syscalls")
