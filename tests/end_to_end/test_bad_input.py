"""What people get wrong and what goes wrong around them: one clear line, a counter, and the rest goes on."""

import json
import os
import pty
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import paho.mqtt.client as paho
import pytest

from tests.brokers import Mosquitto, free_port
from tests.end_to_end.rig import Program, Rig, publish, until


def run(configuration: Path) -> tuple[int, str]:
    result = subprocess.run(
        [sys.executable, "-m", "collector", "run", "-c", str(configuration)], capture_output=True, text=True, timeout=30
    )
    return result.returncode, result.stderr


@pytest.mark.fault(46)
def test_a_broken_configuration_names_every_mistake_and_exits_with_2(tmp_path: Path) -> None:
    configuration = tmp_path / "collector.toml"
    configuration.write_text(
        """
        [spool]
        hold = 5
        [sources.air]
        type = "serial"
        port = "/dev/ttyUSB0"
        profile = "nova-sds012"
        baudrte = 9600
        """
    )
    code, said = run(configuration)
    assert code == 2
    assert len(said.splitlines()) == 3
    assert 'did you mean "baudrate"' in said
    assert "nova-sds011" in said
    assert "spool.hold" in said


def test_a_configuration_that_is_not_toml(tmp_path: Path) -> None:
    configuration = tmp_path / "collector.toml"
    configuration.write_text("[collector\n")
    code, said = run(configuration)
    assert (code, len(said.splitlines())) == (2, 1)


@pytest.mark.fault(53)
def test_a_second_daemon_on_the_same_directory(tmp_path: Path) -> None:
    with Rig(tmp_path) as rig:
        code, said = run(rig.configuration)
        assert code == 1
        assert "in use by another edge-collector" in said
        assert rig.status()["sinks"]["cloud"]["connected"]


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    extra = f"""
    [sources.gone]
    type = "serial"
    port = "{tmp_path}/no-such-port"
    profile = "nova-sds011"
    [sources.away]
    type = "mqtt"
    url = "mqtt://127.0.0.1:{free_port()}"
    topics = ["x/+"]
    profile = "json-lines"
    """
    with Rig(tmp_path, extra=extra) as rig:
        yield rig


def test_what_cannot_be_opened_does_not_stop_the_rest(rig: Rig) -> None:
    publish(rig.devices.port, range(100))
    rig.wait_drained(100)
    sources = rig.status()["sources"]
    assert "no such port" in sources["gone"]["last_error"]
    assert "refused" in sources["away"]["last_error"]
    log = rig.daemon.log.read_text()
    assert log.count("source gone:") == 1
    assert log.count("source away:") == 1


@pytest.mark.fault(33, 45)
def test_junk_and_giants_on_the_topic_are_counted_and_let_go(rig: Rig) -> None:
    client = paho.Client(paho.CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
    client.connect("127.0.0.1", rig.devices.port)
    client.loop_start()
    for payload in (b"not json", b"\xff\xfe", b"[" * 100_000, b'{"n": NaN}', b"{}", b"z" * 10_000_000):
        client.publish("meter/1", payload, qos=1).wait_for_publish(30)
    client.disconnect()
    client.loop_stop()
    publish(rig.devices.port, range(100))
    ledger = rig.wait_drained(100)
    meter = rig.status()["sources"]["meter"]
    assert sum(meter["invalid"].values()) == 6
    assert meter["invalid"]["too large"] == 1
    until(lambda: rig.status()["sources"]["meter"]["unacknowledged"] == 0, "everything to be acknowledged")
    assert (ledger["received"], ledger["remainder"]) == (100, 0)
    assert rig.daemon.log.read_text().count("source meter: refused") == 1


@pytest.mark.fault(39, 40)
def test_a_malformed_frame_and_an_unplugged_sensor(tmp_path: Path) -> None:
    device, line = pty.openpty()
    port = tmp_path / "sensor"
    port.symlink_to(os.ttyname(line))
    extra = f"""
    [sources.air]
    type = "serial"
    port = "{port}"
    profile = "nova-sds011"
    backoff = {{ min = "100ms", max = "200ms" }}
    """
    frame = bytes.fromhex("aac0d4043a0aa1601dab")
    with Rig(tmp_path, extra=extra) as rig:
        until(lambda: rig.status()["sources"]["air"]["connected"], "the sensor")
        os.write(device, frame[:7] + bytes([0]) + frame[8:] + frame)
        until(lambda: rig.status()["sources"]["air"]["readings"] == 1, "the good frame")
        assert rig.status()["sources"]["air"]["invalid"] == {"checksum": 1}
        os.close(device)
        os.close(line)
        until(lambda: not rig.status()["sources"]["air"]["connected"], "the hang-up to be seen")
        held = Path(f"/proc/{rig.daemon.pid}/fd")
        links = [os.path.realpath(name) for name in held.iterdir()]
        assert not any("/dev/pts" in link for link in links)
        device, line = pty.openpty()
        port.unlink()
        port.symlink_to(os.ttyname(line))
        until(lambda: rig.status()["sources"]["air"]["connected"], "the sensor plugged in again")
        time.sleep(0.3)
        os.write(device, frame)
        until(lambda: rig.status()["sources"]["air"]["readings"] == 2, "its next frame")
        os.close(device)
        os.close(line)


@pytest.mark.fault(51)
def test_a_taken_status_port_does_not_stop_collecting(tmp_path: Path) -> None:
    with Mosquitto(tmp_path / "taken") as taken, Mosquitto(tmp_path / "cloud") as cloud:
        configuration = tmp_path / "collector.toml"
        configuration.write_text(
            f"""
            [collector]
            id = "box"
            data_dir = "{tmp_path}/data"
            [sources.host]
            type = "host"
            interval = "1s"
            [sinks.cloud]
            type = "mqtt"
            url = "{cloud.url}"
            [status]
            listen = "127.0.0.1:{taken.port}"
            """
        )
        daemon = Program(tmp_path, "run", "-c", str(configuration))
        daemon.start()
        until(lambda: "sink cloud: connected" in daemon.log.read_text(), "the sink")
        assert daemon.end() == 0
        log = daemon.log.read_text()
        assert log.count(f"127.0.0.1:{taken.port} is in use") == 1


def test_without_a_sink_nothing_is_spooled(tmp_path: Path) -> None:
    port = free_port()
    configuration = tmp_path / "collector.toml"
    configuration.write_text(
        f"""
        [collector]
        data_dir = "{tmp_path}/data"
        [sources.host]
        type = "host"
        interval = "100ms"
        [status]
        listen = "127.0.0.1:{port}"
        """
    )
    daemon = Program(tmp_path, "run", "-c", str(configuration))
    daemon.start()
    status = [sys.executable, "-m", "collector", "status", "--json", "-c", str(configuration)]

    def latest() -> bool:
        result = subprocess.run(status, capture_output=True, text=True)
        return result.returncode == 0 and json.loads(result.stdout)["sources"]["host"]["latest"] is not None

    until(latest, "a reading to be shown")
    assert daemon.end() == 0
    assert not (tmp_path / "data").exists()
