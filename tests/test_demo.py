"""The demo as a user runs it, and its audit: a check that cannot fail would prove nothing."""

import io
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from rich.console import Console

from collector.demo import play, run
from collector.demo.audit import Findings, Sent, audit
from collector.demo.devices import DustSensor, frame
from collector.demo.moment import Moment, Verdict
from collector.demo.process import Process
from collector.demo.screen import ScreenView, bars
from collector.profiles import builtin_folder, load
from collector.profiles.decode import decode
from collector.receive.payload import Row
from collector.receive.store import Store
from collector.status.report import Ledger
from tests.brokers import mosquitto_binary

needs_mosquitto = pytest.mark.skipif(mosquitto_binary() is None, reason="mosquitto is not installed")

COMMAND = [sys.executable, "-m", "collector", "demo"]


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.slow
@needs_mosquitto
def test_nothing_is_lost_and_nothing_is_twice(tmp_path: Path) -> None:
    done = subprocess.run(
        [*COMMAND, "--seconds", "12"],
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert {"lost 0", "twice 0", "pending 0"} <= set(lines)
    for event in ("uplink CUT", "KILLED with SIGKILL", "started again", "uplink restored", "drained"):
        assert event in done.stdout
    sent = re.search(r"sent: air (\d+), meters (\d+)", done.stdout)
    assert sent is not None
    assert int(sent[1]) > 60
    assert int(sent[2]) > 300
    assert done.stderr == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@needs_mosquitto
def test_a_loss_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Disk and tail journal are wiped while the daemon is dead: what was pending is lost, and the demo must say so."""
    kill = Process.kill

    def wipe(runtime: Path) -> None:
        for place in (tmp_path / "stage" / "data", *runtime.glob("tail-*")):
            shutil.rmtree(place)

    async def kill_and_wipe(process: Process) -> None:
        await kill(process)
        if process.name == "daemon":
            wipe(Path(process._environment["RUNTIME_DIRECTORY"]))

    monkeypatch.setattr(Process, "kill", kill_and_wipe)
    monkeypatch.setattr(play, "DRAIN_TIMEOUT", 5.0)
    monkeypatch.setattr(play, "LAST_CHANCE", 2.0)
    assert run.run(10, tmp_path / "stage") == 1
    shown = capsys.readouterr().out
    lost = re.search(r"^lost (\d+)$", shown, re.MULTILINE)
    assert lost is not None
    assert int(lost[1]) > 0
    assert "missing: air: pm2_5" in shown
    assert f"logs and databases are in {tmp_path / 'stage'}" in shown


@needs_mosquitto
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interrupted_it_leaves_nothing_behind(number: signal.Signals, tmp_path: Path) -> None:
    with (tmp_path / "output").open("w") as output:
        (tmp_path / "tmp").mkdir()
        process = subprocess.Popen(
            [*COMMAND, "--seconds", "60"], stdout=output, env={**os.environ, "TMPDIR": str(tmp_path / "tmp")}
        )
        try:
            eventually(lambda: "all is connected" in (tmp_path / "output").read_text())
            started = children(process.pid)
            assert len(started) == 4
            process.send_signal(number)
            assert process.wait(30) == 130
        finally:
            process.terminate()
            process.wait(30)
    assert not [pid for pid in started if Path(f"/proc/{pid}").exists()]
    assert list((tmp_path / "tmp").iterdir()) == []


def eventually(holds: Callable[[], bool], within: float = 60.0) -> None:
    deadline = time.monotonic() + within
    while not holds():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def test_without_mosquitto_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(run, "find_mosquitto", lambda: None)
    assert run.run(10, None) == 1
    assert "apt install mosquitto" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--seconds", "9"], ["--seconds", "nan"], ["--directory", "."]])
def test_wrong_arguments(arguments: list[str]) -> None:
    done = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)


class TestAudit:
    """A store as `receive` fills it, then doctored."""

    FIRST, SECOND = "00000000000000aa", "00000000000000bb"

    @pytest.fixture
    def database(self, tmp_path: Path) -> Path:
        file = tmp_path / "received.sqlite3"
        Store(file).close()
        with closing(sqlite3.connect(file)) as connection, connection:
            for epoch, seqs in ((self.FIRST, range(1, 11)), (self.SECOND, range(1, 6))):
                for seq in seqs:
                    number = seq if epoch == self.FIRST else 10 + seq
                    self.insert(connection, epoch, seq, "meters", f'{{"number":{number},"power":1.5}}')
                self.insert(connection, epoch, len(seqs) + 1, "host", '{"cpu_percent":1.0}')
        return file

    @staticmethod
    def insert(connection: sqlite3.Connection, epoch: str, seq: int, source: str, fields: str) -> None:
        row = Row("demo", epoch, seq, source, source, 0, "synced", fields, None)
        connection.execute(f"INSERT INTO reading VALUES ({', '.join('?' * len(row))})", row)

    METERS = Sent("meters", ("number",), [(number,) for number in range(1, 16)])
    BOOKS = Ledger(received=17, delivered=17)

    def after(self, database: Path, sql: str, *, ledger: Ledger = BOOKS) -> Findings:
        with closing(sqlite3.connect(database)) as connection, connection:
            connection.execute(sql)
        findings = audit(database, [self.METERS], ledger)
        verdict = Verdict(findings, ledger, True, {"meters": 15}, 0, 17, 0)
        assert verdict.code == (0 if findings.sound else 1)
        assert verdict.lines()[:2] == [f"lost {findings.lost}", f"twice {len(findings.twice)}"]
        return findings

    def test_all_well(self, database: Path) -> None:
        findings = self.after(database, "SELECT 1")
        assert findings.sound
        assert findings.lost == 0

    def test_a_missing_reading_at_the_end_of_an_epoch(self, database: Path) -> None:
        """No seq is skipped there: only the device knows."""
        sql = f"DELETE FROM reading WHERE epoch = '{self.FIRST}' AND seq >= 10"
        findings = self.after(database, sql, ledger=Ledger(received=15, delivered=15))
        assert findings == Findings(["meters: number 10"], [], [], [], [])
        assert findings.lost == 1

    def test_a_missing_reading_in_the_middle_is_one_loss(self, database: Path) -> None:
        findings = self.after(database, f"DELETE FROM reading WHERE epoch = '{self.SECOND}' AND seq = 3")
        assert findings.missing == ["meters: number 13"]
        assert findings.skipped == [f"demo/{self.SECOND}/3"]
        assert findings.lost == 1
        assert findings.books

    @pytest.mark.parametrize("seq", [1, 11])
    def test_a_gap_that_no_device_knows_of(self, database: Path, seq: int) -> None:
        sql = f"UPDATE reading SET source = 'host' WHERE epoch = '{self.FIRST}' AND seq = {seq}"
        self.after(database, sql)
        with closing(sqlite3.connect(database)) as connection, connection:
            self.insert(connection, self.FIRST, 13, "host", "{}")
        sql = f"DELETE FROM reading WHERE epoch = '{self.FIRST}' AND seq = {seq}"
        findings = self.after(database, sql, ledger=Ledger(received=17, delivered=17))
        assert findings.skipped == [f"demo/{self.FIRST}/{absent}" for absent in sorted({seq, 12})]
        assert findings.lost == 2
        assert not findings.sound

    def test_a_doubled_reading(self, database: Path) -> None:
        sql = (
            f"INSERT INTO reading SELECT collector, epoch, 7, source, device, time, clock, fields, suspect "
            f"FROM reading WHERE epoch = '{self.SECOND}' AND seq = 2"
        )
        findings = self.after(database, sql)
        assert findings == Findings([], [], ["meters: number 12: 2 times"], [], [])

    @pytest.mark.parametrize("fields", ['{"number":99}', '{"number":"3"}', '{"number":null}', "{}", '{"number":true}'])
    def test_a_reading_that_nobody_sent(self, database: Path, fields: str) -> None:
        sql = f"UPDATE reading SET fields = '{fields}' WHERE epoch = '{self.FIRST}' AND seq = 3"
        findings = self.after(database, sql)
        assert findings.missing == ["meters: number 3"]
        assert len(findings.strange) == 1

    @pytest.mark.parametrize(
        "ledger",
        [
            Ledger(received=18, delivered=17),
            Ledger(received=18, delivered=17, pending=1),
            Ledger(received=18, delivered=17, dead=1),
            Ledger(received=18, delivered=17, dropped={"full": 1}),
            Ledger(received=18, delivered=18),
        ],
    )
    def test_books_that_are_wrong(self, database: Path, ledger: Ledger) -> None:
        findings = self.after(database, "SELECT 1", ledger=ledger)
        assert len(findings.books) == 1
        assert not findings.sound

    def test_a_device_that_sent_nothing_proves_nothing(self, database: Path) -> None:
        assert not audit(database, [self.METERS, Sent("air", ("pm10",), [])], self.BOOKS).sound

    def test_what_is_not_drained_is_a_failure(self) -> None:
        verdict = Verdict(Findings([], [], [], [], []), self.BOOKS, False, {}, 0, 17, 0)
        assert verdict.code == 1

    def test_long_lists_are_cut(self) -> None:
        findings = Findings([str(number) for number in range(25)], [], [], [], [])
        lines = Verdict(findings, self.BOOKS, True, {}, 0, 17, 0).lines()
        assert lines[-1] == "missing: and 15 more"
        assert "lost 25" in lines


class TestDustSensor:
    def test_its_frames_are_what_the_profile_reads(self) -> None:
        decoding = decode(load("nova-sds011", [builtin_folder()]), [frame(123, 261)], None)
        assert [reading.fields for reading in decoding.readings] == [{"pm2_5": 12.3, "pm10": 26.1}]

    async def test_it_knows_when_nobody_has_the_port_open(self) -> None:
        sensor = DustSensor()
        try:
            sensor._tick(0.0)
            assert (sensor.unheard, sensor.sent) == (1, [])
            port = os.open(sensor.port, os.O_RDWR | os.O_NOCTTY)
            sensor._tick(1.0)
            assert (sensor.unheard, sensor.sent) == (2, [])
            sensor._tick(2.0)
            assert (sensor.unheard, len(sensor.sent)) == (2, 1)
            assert len(os.read(port, 100)) == 10
            os.close(port)
            sensor._tick(3.0)
            assert (sensor.unheard, len(sensor.sent)) == (3, 1)
        finally:
            sensor.close()


class TestScreen:
    MOMENT = Moment(seconds=7.0, of=12.0, sent={"air": 70, "meters": 350}, stored=211, uplink_cut=True)

    @pytest.mark.parametrize("width", [60, 80, 200])
    def test_the_picture_says_what_is_wrong_and_fits(self, width: int) -> None:
        output = io.StringIO()
        screen = ScreenView(
            Console(file=output, force_terminal=True, width=width, height=24, _environ={"TERM": "xterm"})
        )
        try:
            for at in range(30):
                screen.event(at, f"event {at}")
            self.MOMENT.history.extend(range(500))
            before = output.tell()
            screen.show(self.MOMENT)
            shown = output.getvalue()[before:]
        finally:
            screen.close()
        for text in ("CUT", "DEAD", "211", "event 29"):
            assert text in shown
        assert shown.count("\n") < 24

    def test_the_verdict_stands_below(self) -> None:
        output = io.StringIO()
        screen = ScreenView(Console(file=output, force_terminal=False, width=100))
        screen.conclude(Verdict(Findings([], [], [], [], []), Ledger(7, 7), True, {"air": 7}, 0, 7, 0))
        assert {"lost 0", "twice 0", "pending 0"} <= set(output.getvalue().splitlines())


def test_bars() -> None:
    assert bars([0, 1, 8, 16], 16, 2) == ["   █", " ▁██"]
