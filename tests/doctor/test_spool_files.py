"""What the doctor finds of the spool's files."""

import os
from pathlib import Path

import pytest

from collector.doctor.finding import Subject
from collector.doctor.spool_files import examine
from collector.spool.ballast import Ballast

HERE = Subject("spool", "here")


def verdicts(data_dir: Path) -> list[str]:
    return [finding.verdict for finding in examine(HERE, data_dir)]


def test_nothing_to_say(tmp_path: Path) -> None:
    assert verdicts(tmp_path / "not yet") == []
    assert verdicts(tmp_path) == []


def test_files_where_directories_belong(tmp_path: Path) -> None:
    (tmp_path / "quarantine").touch()
    assert verdicts(tmp_path) == verdicts(tmp_path / "quarantine") == ["fail"]


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give files away")
def test_a_file_of_another_user(tmp_path: Path) -> None:
    (tmp_path / "spool.sqlite3").touch()
    os.chown(tmp_path / "spool.sqlite3", 65534, 65534)
    [finding] = examine(HERE, tmp_path)
    assert (finding.verdict, finding.advice) == ("fail", f"chown root {tmp_path}/spool.sqlite3")


def test_no_room_kept_for_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Ballast, "room", lambda self: 5 * 2**20)
    [finding] = examine(HERE, tmp_path)
    assert (finding.verdict, finding.advice) == ("warn", "make room on the disk")
    assert "5 MiB are free, which is less than 12 MiB" in finding.text
    assert Ballast(tmp_path / "ballast").take() is False
    (tmp_path / "ballast").mkdir()
    [finding] = examine(HERE, tmp_path)
    assert (finding.verdict, finding.advice) == ("warn", "remove it")
