"""The doctor against real brokers and servers, and through the command line."""

import asyncio
import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.check import load_checked
from collector.config.load import load
from collector.doctor import broker_queue, clock, examine
from collector.doctor.finding import Finding, Subject
from tests.brokers import Mosquitto, free_port, mosquitto_binary
from tests.mqtt.certificates import Authority
from tests.status.reports import busy_report
from tests.test_command_status import daemon

pytestmark = pytest.mark.skipif(
    mosquitto_binary() is None or shutil.which("openssl") is None, reason="mosquitto or openssl is not installed"
)


def found(tmp_path: Path, text: str) -> dict[tuple[str, str], Finding]:
    """By subject and the first word or two of where, which name source or sink."""
    file = tmp_path / "collector.toml"
    file.write_text(
        f'collector.id = "box"\ncollector.data_dir = "{tmp_path}/data"\nstatus.listen = "127.0.0.1:1"\n{text}'
    )
    findings = asyncio.run(examine.examine(load_checked(file)))
    return {(finding.subject, finding.where.split(":")[0]): finding for finding in findings}


def source(url: str, extra: str = "") -> str:
    return f'[sources.meter]\ntype = "mqtt"\nurl = "{url}"\ntopics = ["meter/+"]\nprofile = "json-lines"\n{extra}\n'


def sink(url: str, extra: str = "") -> str:
    return f'[sinks.cloud]\ntype = "mqtt"\nurl = "{url}"\n{extra}\n'


def test_a_broker_that_is_well(tmp_path: Path, broker: Mosquitto) -> None:
    findings = found(tmp_path, source(broker.url) + sink(broker.url))
    for where in ("source meter", "sink cloud"):
        finding = findings["broker", where]
        assert finding.verdict == "ok"
        assert "a message came back in" in finding.text
        assert "speaks MQTT 5" in finding.text
    assert findings["broker's queue", "source meter"].text.startswith("kept all of 1100 messages")


def test_a_queue_with_mosquittos_own_limit_and_the_snippet_that_mends_it(tmp_path: Path) -> None:
    with Mosquitto(tmp_path / "broker", max_queued=1000) as broker:
        finding = found(tmp_path, source(broker.url))["broker's queue", "source meter"]
        assert finding.verdict == "warn"
        assert finding.text == "kept only 1000 of 1100 messages for a client that was away"
    lines = [line.strip() for line in finding.advice.splitlines() if line.startswith("    ")]
    assert "persistence true" in lines
    with Mosquitto(tmp_path / "mended", persistence=False, config_lines=lines) as broker:
        assert found(tmp_path, source(broker.url))["broker's queue", "source meter"].verdict == "ok"


def test_it_leaves_no_session_behind(tmp_path: Path, broker: Mosquitto) -> None:
    found(tmp_path, source(broker.url))
    broker.stop()
    assert b"doctor" not in (broker.directory / "mosquitto.db").read_bytes()


def test_an_access_list_that_keeps_us_from_our_topic(tmp_path: Path) -> None:
    rules = tmp_path / "rules"
    rules.write_text("topic read meter/#\n")
    with Mosquitto(tmp_path / "broker", config_lines=[f"acl_file {rules}"]) as broker:
        findings = found(tmp_path, source(broker.url))
    assert findings["broker", "source meter"].verdict == "warn"
    assert "no message came back on edge/box/doctor/" in findings["broker", "source meter"].text
    assert findings["broker's queue", "source meter"].text.startswith("not measured")


def test_a_broker_that_refuses_our_password(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("wrong-as-can-be\n")
    with Mosquitto(tmp_path / "broker", anonymous=False) as broker:
        extra = 'username = "u"\npassword_file = "secret"'
        finding = found(tmp_path, sink(broker.url, extra))["broker", "sink cloud"]
    assert finding.verdict == "fail"
    assert "wrong-as-can-be" not in str(finding)


def test_nothing_listens(tmp_path: Path) -> None:
    url = f"mqtt://127.0.0.1:{free_port()}"
    web = f'[sinks.web]\ntype = "http"\nurl = "http://127.0.0.1:{free_port()}/readings"\n'
    findings = found(tmp_path, source(url) + sink(url) + web)
    for where in (("broker", "source meter"), ("broker", "sink cloud"), ("server", "sink web")):
        assert findings[where].verdict == "fail"
        assert "refused" in findings[where].text
        assert findings[where].advice


@pytest.mark.parametrize(
    ("name", "days", "verdict", "text"),
    [
        ("localhost", 90, "ok", "is good for 89 days more"),
        ("localhost", 5, "warn", "is good for 4 days more"),
        ("localhost", -1, "fail", "expired on"),
        ("elsewhere", 90, "fail", "is made out to another host name"),
    ],
)
def test_a_brokers_certificate(tmp_path: Path, name: str, days: int, verdict: str, text: str) -> None:
    authority = Authority(tmp_path / "ca")
    certificate, key = authority.issue(name, days=days)
    port = free_port()
    lines = [f"listener {port} 127.0.0.1", f"certfile {certificate}", f"keyfile {key}"]
    with Mosquitto(tmp_path / "broker", port=port, listener=False, config_lines=lines):
        file = tmp_path / "collector.toml"
        file.write_text(sink(f"mqtts://localhost:{port}", f'ca_file = "{authority.certificate}"'))
        findings = [f for f in asyncio.run(examine.examine(load(file))) if f.subject == "broker"]
    assert findings[0].verdict == verdict
    assert text in findings[0].text
    assert (len(findings) == 2) == (verdict != "fail"), "a round trip only where TLS stands"


@pytest.fixture
def silent() -> Iterator[int]:
    """The port of a server that accepts and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_every_examination_is_bounded_and_spoils_no_other(
    tmp_path: Path, silent: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fall(subject: Subject, *of: object) -> list[Finding]:
        raise RuntimeError("a bug")

    monkeypatch.setattr(clock, "examine", fall)
    monkeypatch.setattr(examine, "PATIENCE", 1.0)
    start = time.monotonic()
    url = f"mqtt://127.0.0.1:{silent}"
    findings = found(tmp_path, source(url) + sink(url))
    assert time.monotonic() - start < 4
    assert findings["clock", "kernel"].text == "cannot be examined: RuntimeError: a bug"
    assert findings["broker", "source meter"].text == "no answer within 1 s"
    assert ("disk", f"{tmp_path}/data") in findings


def test_the_running_collector_its_books_and_what_came_at_qos_0(tmp_path: Path) -> None:
    report = busy_report()
    report.sources["meter"] = report.sources.pop("zigbee")
    port = free_port()
    file = tmp_path / "collector.toml"
    head = f'collector.id = "greenhouse-01"\nstatus.listen = "127.0.0.1:{port}"\n'
    file.write_text(head + source("mqtt://127.0.0.1:1"))
    with daemon(f"127.0.0.1:{port}", report):
        findings = {(f.subject, f.where): f for f in asyncio.run(examine.examine(load(file)))}
    assert findings["collector", f"127.0.0.1:{port}"].text.startswith("running as greenhouse-01")
    assert ("sink", "sink cloud") not in findings
    held = findings["sink", "sink backup"]
    assert (held.verdict, held.text) == ("fail", "held: 0x87 not authorised")
    assert "correct its credentials" in held.advice
    away = findings["source", "source air"]
    assert (away.verdict, away.text) == ("fail", "waiting: /dev/ttyUSB0: no such port; is it plugged in?")
    assert findings["books", "sink cloud"].verdict == "warn"
    assert findings["books", "sink backup"].verdict == "ok"
    qos = findings["QoS 0", "source meter"]
    assert qos.text == "5 of 1000 messages came at QoS 0: not queued while the collector is away"
    assert "queue_qos0_messages true" in qos.advice


def test_another_collector_answers(tmp_path: Path) -> None:
    listen = f"unix:{tmp_path}/status.sock"
    file = tmp_path / "collector.toml"
    file.write_text(f'collector.id = "box"\nstatus.listen = "{listen}"\n')
    with daemon(listen, busy_report()):
        running, report = examine.daemon.ask(Subject("collector", listen), load(file))
    assert (running.verdict, report) == ("fail", None), "and nothing of what it says is believed"
    assert running.text == f'collector "greenhouse-01" answers on {listen}, not "box"'
    assert running.advice.startswith("give each collector its own status.listen")


def test_books_that_do_not_balance_are_a_failure(tmp_path: Path) -> None:
    report = busy_report()
    report.sinks["cloud"].ledger.delivered -= 1
    found = list(examine.daemon.books(Subject("books", ""), report))
    assert [finding.verdict for finding in found] == ["fail", "ok"]


def test_all_at_qos_1() -> None:
    assert [f.verdict for f in broker_queue.unqueued(Subject("QoS 0", ""), {0: 0, 1: 9})] == ["ok"]
    assert list(broker_queue.unqueued(Subject("QoS 0", ""), {})) == []


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_the_command(tmp_path: Path, broker: Mosquitto, options: list[str]) -> None:
    file = tmp_path / "collector.toml"

    def doctor(text: str) -> tuple[int, str]:
        file.write_text(f'collector.data_dir = "{tmp_path}/data"\nstatus.listen = "127.0.0.1:1"\n{text}')
        command = [sys.executable, "-m", "collector", "doctor", "-c", str(file), *options]
        result = subprocess.run(command, capture_output=True, text=True, timeout=30)
        assert result.stderr == ""
        return result.returncode, result.stdout

    code, said = doctor(sink(broker.url))
    assert code == 0
    if options:
        assert {finding["verdict"] for finding in json.loads(said)} <= {"ok", "warn"}
    else:
        assert f"ok    broker, sink cloud: 127.0.0.1:{broker.port}: let us in" in said
    code, said = doctor(sink(f"mqtt://127.0.0.1:{free_port()}"))
    assert code == 1
    assert "refused" in said


def test_on_a_terminal_a_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from collector.cli import main

    file = tmp_path / "collector.toml"
    file.write_text(f'collector.data_dir = "{tmp_path}/data"\nstatus.listen = "127.0.0.1:1"\n')
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert main(["doctor", "-c", str(file)]) == 0
    assert "→ is the daemon running?" in capsys.readouterr().out


@pytest.mark.parametrize("fault", ["none", "expired"])
def test_a_broker_that_does_not_take_our_certificate(tmp_path: Path, fault: str) -> None:
    authority = Authority(tmp_path / "ca")
    certificate, key = authority.issue("localhost")
    port = free_port()
    lines = [f"listener {port} 127.0.0.1", f"certfile {certificate}", f"keyfile {key}"]
    lines += [f"cafile {authority.certificate}", "require_certificate true"]
    more = f'ca_file = "{authority.certificate}"\n'
    if fault == "expired":
        mine, my_key = authority.issue("box", days=-1)
        more += f'cert_file = "{mine}"\nkey_file = "{my_key}"\n'
    with Mosquitto(tmp_path / "broker", port=port, listener=False, config_lines=lines):
        file = tmp_path / "collector.toml"
        file.write_text(sink(f"mqtts://localhost:{port}", more))
        [finding] = [f for f in asyncio.run(examine.examine(load(file))) if f.subject == "broker"]
    assert finding.verdict == "fail"
    assert finding.advice.startswith("set cert_file and key_file")
    assert finding.where == f"sink cloud: localhost:{port}"
    assert finding.text.startswith("TLS: "), "the address is said once"
