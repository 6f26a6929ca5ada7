"""What the doctor makes of systemd's word on the unit."""

import re
from pathlib import Path

import pytest

from collector.doctor import unit
from collector.doctor.finding import Subject
from tests.systemd.test_unit import directives

HERE = Subject("service", unit.UNIT)
WELL = {"LoadState": "loaded", "ActiveState": "active", "Result": "success", "ExecMainStatus": "0", **unit.WALLS}


def verdicts(said: dict[str, str]) -> list[tuple[str, str]]:
    return [(finding.verdict, finding.text) for finding in unit.examine(HERE, lambda: said)]


def test_the_walls_are_those_of_the_unit() -> None:
    values = {name: values[0] for name, values in directives().items()}
    assert {name: values.get(name) for name in unit.WALLS} == unit.WALLS


def test_a_unit_as_it_was_shipped() -> None:
    assert verdicts(WELL) == [("ok", "runs, and its walls stand")]


def test_an_override_that_removes_walls_is_named() -> None:
    override = "/etc/systemd/system/edge-collector.service.d/override.conf"
    said = WELL | {"NoNewPrivileges": "no", "ProtectSystem": "no", "DropInPaths": override}
    assert verdicts(said) == [("warn", f"runs without NoNewPrivileges=, ProtectSystem= ({override})")]


@pytest.mark.parametrize("state", ["failed", "activating"])
def test_a_service_that_does_not_come_up(state: str) -> None:
    said = WELL | {"ActiveState": state, "Result": "exit-code", "ExecMainStatus": "2"}
    assert verdicts(said) == [("fail", f"{state}: exit-code, exit code 2")]


def test_a_service_that_is_starting_or_stopped_is_no_fault() -> None:
    for state in ("activating", "inactive"):
        assert verdicts(WELL | {"ActiveState": state}) == []


@pytest.mark.parametrize(
    "systemctl",
    [
        "exit 1",
        "echo LoadState=not-found",
        "echo 'System has not been booted with systemd as init system (PID 1).' >&2; exit 1",
        None,
    ],
)
def test_without_a_unit_there_is_nothing_to_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, systemctl: str | None
) -> None:
    if systemctl is not None:
        program = tmp_path / "systemctl"
        program.write_text(f"#!/bin/sh\n{systemctl}\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert list(unit.examine(HERE)) == []


def test_systemd_is_asked_for_every_wall(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "systemctl"
    program.write_text('#!/bin/sh\necho LoadState=loaded; echo "ActiveState=$*"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    asked = re.split("[=,]", unit.show()["ActiveState"])
    assert set(unit.WALLS) <= set(asked)
