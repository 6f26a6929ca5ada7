"""What is read of the system: of /etc as a whole only by who may read nothing secret there."""

import os
from pathlib import Path

import pytest

from collector.sandbox import system


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    """Its resolv.conf links to what manages the network, as with systemd-resolved."""
    for folder in ("etc", "run/systemd/resolve"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "run/systemd/resolve/stub-resolv.conf").write_text("nameserver 127.0.0.53\n")
    (tmp_path / "etc/resolv.conf").symlink_to("../run/systemd/resolve/stub-resolv.conf")
    return tmp_path / "etc"


def test_an_ordinary_user_reads_all_of_it_so_that_files_may_be_replaced(
    etc: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: path != etc / "shadow")
    assert list(system.configuration(etc)) == [etc]


def test_root_reads_single_files_and_where_resolv_conf_is_kept(etc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: True)
    found = set(system.configuration(etc))
    assert {etc / "resolv.conf", etc / "hosts", etc / "nsswitch.conf", etc.parent / "run/systemd/resolve"} <= found
    assert not {etc, etc / "shadow", etc.parent} & found


def test_a_file_that_was_replaced_is_told(etc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert system.out_of_reach(etc) == []

    def refused(path: Path, flags: int) -> int:
        raise PermissionError(13, "Permission denied") if path.name == "resolv.conf" else FileNotFoundError

    monkeypatch.setattr(os, "open", refused)
    assert system.out_of_reach(etc) == [etc / "resolv.conf"]
