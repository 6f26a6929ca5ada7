"""What `edge-collector spool` prints, and how it is used wrongly."""

from pathlib import Path

import pytest

from collector.cli import main
from collector.commands.spool import asking, dead, stats
from collector.control.protocol import Done
from collector.control.stats import Books, Report


def report(**sinks: Books) -> Report:
    return Report(
        collector="gh",
        running=True,
        data_dir="/var/lib/edge-collector",
        pending=12_345,
        oldest="2026-11-23T15:04:05.123456Z",
        oldest_age_seconds=7500.0,
        segments=25,
        bytes=3 * 2**20,
        limit_bytes=2**28,
        memory_segments=1,
        dead_bytes=2048,
        dead_limit_bytes=2**25,
        sinks=sinks,
    )


def shown(capsys: pytest.CaptureFixture[str], found: Report) -> str:
    import msgspec

    stats._show(Done(msgspec.to_builtins(found)))
    return capsys.readouterr().out


def test_stats_for_a_person(capsys: pytest.CaptureFixture[str]) -> None:
    said = shown(
        capsys,
        report(
            cloud=Books(20_000, 7_000, 12_345, {"full": 650}, 5, 0, True),
            old=Books(100, 40, 60, {}, 0, 0, False, 3 * 86400.0),
        ),
    )
    assert "gh: spool in /var/lib/edge-collector; the collector is running" in said
    assert "12,345 readings wait, the oldest of 2026-11-23T15:04:05.123456Z, waiting for 2 h 5 min at least" in said
    assert "3.0 MiB of 256.0 MiB in use; 25 segments on disk and 1 in memory; dead letters: 2.0 KiB of 32.0" in said
    rows = said[said.index("Books") :].splitlines()
    assert rows[2].split() == ["cloud", "20,000", "7,000", "12,345", "650", "5", "0", "full", "650"]
    assert rows[3].split() == ["old", "departed", "100", "40", "60", "0", "0", "0"]
    assert "sink cloud refused 5 readings for good: edge-collector spool dead --sink cloud" in said
    assert "dropped after 3 d 0 h of running time; put it back, or give it up now: edge-collector spool forget" in said


def test_nothing_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert "Nothing to do." in shown(capsys, report(cloud=Books(1, 1, 0, {}, 0, 0, True)))


def test_a_stopped_collector_a_full_spool_and_a_bug(capsys: pytest.CaptureFixture[str]) -> None:
    found = report(cloud=Books(2, 1, 0, {}, 0, 1, True))
    found.running, found.bytes = False, found.limit_bytes
    said = shown(capsys, found)
    assert "NO COLLECTOR IS RUNNING" in said
    assert "start the collector, nothing is delivered meanwhile" in said
    assert "the spool is nearly full" in said
    assert "the books of sink cloud do not balance: this is a bug" in said


def test_the_words_of_a_server_do_nothing_to_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    dead._print(b'{"id":"a/b/1","sink":"cloud","reason":"no\\u001b[2Jway\\n2","device":"m","time":"T"}\n')
    said = capsys.readouterr().out.replace("\N{REPLACEMENT CHARACTER}", "?")
    assert said == "a/b/1  sink cloud  m  T\n    no?[2Jway?2\n"
    assert asking.printable("ünïcode ✓") == "ünïcode ✓"


@pytest.mark.parametrize(
    "arguments", [[], ["requeue"], ["requeue", "--all", "a/b/1"], ["forget"], ["export", "x"], ["vacuum"]]
)
def test_wrong_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["spool", *arguments])
    assert ended.value.code == 2
    assert "usage:" in capsys.readouterr().err


def test_a_wrong_configuration(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "c.toml").write_text("collektor = 1")
    assert main(["spool", "stats", "-c", str(tmp_path / "c.toml")]) == 2
    assert "collektor" in capsys.readouterr().err


def test_no_spool_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "c.toml").write_text(f'collector.data_dir = "{tmp_path}/none"')
    assert main(["spool", "export", "-c", str(tmp_path / "c.toml")]) == 1
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert "no spool there" in said.err
