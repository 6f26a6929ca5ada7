"""What a process can tell of its unit's walls, by made-up and by real accounts of the kernel."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from collector.service.walls import missing, started_by_unit

ALL = "Name:\tpython3\nUid:\t990\t990\t990\t990\nCapBnd:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2\n"


def lacking(tmp_path: Path, status: str) -> set[str]:
    file = tmp_path / "status"
    file.write_text(status)
    return set(missing(file, Path("/"))) - {"ProtectSystem="}  # of the machine that runs the test


@pytest.mark.parametrize(
    ("said", "instead", "directive"),
    [
        ("", "", None),
        ("Uid:\t990", "Uid:\t0", "User="),
        ("NoNewPrivs:\t1", "NoNewPrivs:\t0", "NoNewPrivileges="),
        ("Seccomp:\t2", "Seccomp:\t0", "SystemCallFilter="),
        ("CapBnd:\t0000000000000000", "CapBnd:\t000001ffffffffff", "CapabilityBoundingSet="),
    ],
)
def test_names_what_is_not_in_force(tmp_path: Path, said: str, instead: str, directive: str | None) -> None:
    assert lacking(tmp_path, ALL.replace(said, instead)) == ({directive} if directive else set())


@pytest.mark.skipif(os.getuid() != 0, reason="only root may mount")
@pytest.mark.parametrize("options", ["ro", "rw"])
def test_a_root_that_can_be_written_is_no_protect_system(tmp_path: Path, options: str) -> None:
    code = "import sys, pathlib, collector.service.walls as w; print(w.missing(root=pathlib.Path(sys.argv[1])))"
    script = 'mount -t tmpfs -o "$1" none "$2" && exec "$3" -c "$4" "$2"'
    command = ["unshare", "--mount", "sh", "-c", script, "-", options, str(tmp_path), sys.executable, code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    if done.returncode:
        pytest.skip(f"cannot mount here: {done.stderr.strip()}")
    assert ("ProtectSystem=" in done.stdout) == (options == "rw")


def test_only_what_systemd_itself_executed_has_a_unit() -> None:
    assert started_by_unit({"SYSTEMD_EXEC_PID": str(os.getpid())})
    assert not started_by_unit({"SYSTEMD_EXEC_PID": str(os.getppid())})
    assert not started_by_unit({})
