"""`profiles sniff` on a real pseudo-terminal and a real Mosquitto."""

import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import paho.mqtt.client as paho
import pytest

from tests.brokers import Mosquitto, free_port

SDS011 = bytes.fromhex("aac0d4043a0aa1601dab")
READING = '{"device":"0xA160","fields":{"pm2_5":123.6,"pm10":261.8},"units":{"pm2_5":"ug/m3","pm10":"ug/m3"}}'


class Sniff:
    """The command in a process of its own; its output is read as it comes."""

    def __init__(self, *words: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "collector", "profiles", "sniff", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    def end(self, *, interrupt: bool = False) -> tuple[int, str, str]:
        """Exit code, the rest of the output, and what it complained of."""
        if interrupt:
            self._process.send_signal(signal.SIGINT)
        out, error = self._process.communicate(timeout=30)
        return self._process.returncode, out, error


def on_a_terminal(*words: str) -> str:
    """What the command writes to a terminal."""
    terminal, line = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "collector", "profiles", "sniff", *words],
        stdout=line,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "40"},
    )
    os.close(line)
    shown = b""
    while True:
        try:
            data = os.read(terminal, 4096)
        except OSError:  # EIO: nobody holds the other end any longer
            break
        shown += data
    os.close(terminal)
    assert process.wait(30) == 0
    return shown.decode()


class Device:
    """The device's end of a serial line."""

    def __init__(self) -> None:
        self._device, self._line = pty.openpty()
        self.port = os.ttyname(self._line)

    def wait_opened(self) -> None:
        """Until somebody has set the line to raw, as pyserial does when it opens one."""
        import termios

        deadline = time.monotonic() + 30
        while termios.tcgetattr(self._line)[3] & termios.ICANON:
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def write(self, data: bytes) -> None:
        os.write(self._device, data)

    def close(self) -> None:
        for descriptor in (self._device, self._line):
            if descriptor >= 0:
                os.close(descriptor)
        self._device = self._line = -1


@pytest.fixture
def device() -> Iterator[Device]:
    device = Device()
    yield device
    device.close()


def test_bytes_and_readings_of_a_line(device: Device) -> None:
    sniff = Sniff(device.port, "--profile", "nova-sds011")
    device.wait_opened()
    device.write(SDS011)
    assert sniff.line().endswith(" s  aa c0 d4 04 3a 0a a1 60 1d ab                    |....:..`..|\n")
    assert sniff.line().strip() == READING
    device.write(SDS011[:4] + b"\0" + SDS011[5:])
    assert " s  aa c0 d4 04 00" in sniff.line()
    assert sniff.line().strip() == "refused so far: checksum 1"
    assert sniff.end(interrupt=True) == (0, "", "")


def test_which_profile_fits_a_line(device: Device, tmp_path: Path) -> None:
    sniff = Sniff(device.port, "--seconds", "2", "--save", str(tmp_path / "saved"))
    device.wait_opened()
    device.write(b"\0" + SDS011 * 3)
    code, out, error = sniff.end()
    assert (code, error) == (0, "")
    suggestion = out.partition("Profiles that fit, the likeliest first:\n")[2]
    assert suggestion == "  nova-sds011: 3 frames, 3 readings, 0 refused, 1 bytes skipped\n"
    assert (tmp_path / "saved").read_bytes() == b"\0" + SDS011 * 3


@pytest.mark.parametrize(
    ("line", "columns"),
    [(b"21.5,40\r\n", '["c0", "c1"]'), (b"21.5,40,ok,3\r\n", '["c0", "c1", "c2", "c3"]')],
)
def test_lines_of_values_want_their_columns_named(device: Device, line: bytes, columns: str) -> None:
    sniff = Sniff(device.port, "--seconds", "2")
    device.wait_opened()
    device.write(line * 5)
    _, out, _ = sniff.end()
    suggestion = out.partition("Profiles that fit, the likeliest first:\n")[2]
    assert f"csv-lines: 0 frames, 0 readings, 5 refused; with columns = {columns}, by names of" in suggestion


def test_no_profile_fits_prose(device: Device) -> None:
    sniff = Sniff(device.port, "--seconds", "2")
    device.wait_opened()
    device.write(b"Hello, world\r\nbooting\r\n" * 5)
    _, out, _ = sniff.end()
    assert "No profile fits." in out


def test_no_profile_fits_noise(device: Device) -> None:
    sniff = Sniff(device.port, "--baudrate", "4800")
    device.wait_opened()
    device.write(b"\xff\x00\x13" * 20)
    assert sniff.line()
    code, out, _ = sniff.end(interrupt=True)
    assert code == 0
    assert out.endswith("No profile fits.\nListened at 4800 baud; --baudrate tries another.\n")


def test_an_unplugged_line(device: Device) -> None:
    sniff = Sniff(device.port)
    device.wait_opened()
    port = device.port
    device.close()
    code, _, error = sniff.end()
    assert (code, error.count("\n")) == (1, 1)
    assert error.startswith(f"{port}: unplugged or hung up")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["http://localhost:1883"], 2, "not a broker's URL: write mqtt://, mqtts://, ws://, wss:// before the host"),
        (["/dev/no-such-port"], 1, "/dev/no-such-port: no such port"),
        ([f"mqtt://127.0.0.1:{free_port()}/#"], 1, "refused"),
        (["mqtt://h/a+"], 2, "'a+' is no topic filter"),
        (["mqtt://h", "--baudrate", "9600"], 2, "--baudrate: brokers have none"),
        (["mqtt://u@h"], 2, "user name"),
        (["mqtt://h", "--password-file", "/missing"], 2, "/missing does not exist"),
        (["/dev/null", "--seconds", "nan"], 2, "--seconds: nan is not between"),
        (["mqtt://h", "--save", "file"], 2, "--save: keeps the bytes of a line; edge-collector run --record"),
        (["/dev/null", "--save", "/"], 2, "--save /: File exists; name another file"),
        (["/dev/null", "--profile", "nova"], 2, "profile 'nova' is not known"),
        (["/dev/null", "--profile", "tasmota"], 2, "reads MQTT messages; give a broker's URL"),
        (["/dev/null", "--baudrate", "1"], 2, "--baudrate: 1 is not between"),
    ],
)
def test_what_cannot_be_heard(words: list[str], code: int, said: str) -> None:
    got, out, error = Sniff(*words).end()
    assert (got, out, error.count("\n")) == (code, "", 1)
    assert said in error


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with Mosquitto(tmp_path / "broker") as broker:
        yield broker


def retain(broker: Mosquitto, messages: dict[str, bytes]) -> None:
    """Retained, so that they come whenever the listener is there."""
    client = paho.Client(paho.CallbackAPIVersion.VERSION2)
    client.connect(broker.host, broker.port)
    client.loop_start()
    for topic, payload in messages.items():
        client.publish(topic, payload, qos=1, retain=True).wait_for_publish(10)
    client.disconnect()
    client.loop_stop()


def test_messages_of_a_broker(broker: Mosquitto) -> None:
    retain(broker, {"zigbee2mqtt/kitchen/lamp": b'{"power":7}', "zigbee2mqtt/kitchen/lamp/availability": b"online"})
    sniff = Sniff(f"{broker.url}/zigbee2mqtt/#", "--profile", "zigbee2mqtt")
    got = sorted(sniff.line() + sniff.line() for _ in range(2))
    assert got == [
        'zigbee2mqtt/kitchen/lamp  {"power":7}\n'
        '    {"device":"kitchen/lamp","fields":{"power":7},"units":{"power":"W"}}\n',
        "zigbee2mqtt/kitchen/lamp/availability  online\n    no reading: of a kind the profile ignores\n",
    ]
    assert sniff.end(interrupt=True) == (0, "", "")


def test_which_profile_fits_a_broker(broker: Mosquitto) -> None:
    retain(broker, {"tele/cellar/SENSOR": b'{"AM2301":{"Temperature":21.5}}', "tele/cellar/LWT": b"Online"})
    code, out, error = Sniff(broker.url, "--topic", "tele/#", "--seconds", "2").end()
    assert (code, error) == (0, "")
    fitting = out.partition("Profiles that fit, the likeliest first:\n")[2].splitlines()
    assert fitting[0] == "  tasmota: 2 frames, 1 readings, 0 refused"


def test_control_characters_and_bytes_are_shown_not_obeyed(broker: Mosquitto) -> None:
    retain(broker, {"a": "\x1b[2Jµ".encode(), "b": b"\xff\x00", "c": b"x" * 1000})
    code, out, _ = Sniff(broker.url, "--seconds", "2", "--profile", "json-lines").end()
    lines = out.splitlines()
    assert code == 0
    assert "a  \\x1b[2Jµ" in lines
    assert "b  ff 00" in lines
    assert f"c  {'x' * 400}..." in lines
    assert sum("refused: " in line for line in lines) == 3


def test_on_a_terminal_readings_stand_out(broker: Mosquitto) -> None:
    retain(broker, {"zigbee2mqtt/[bold]x": b'{"power":7,"a long key, so that the line does not fit":8}'})
    shown = on_a_terminal(broker.url, "--seconds", "2", "--profile", "zigbee2mqtt")
    assert "zigbee2mqtt/[bold]x  {" in shown, "never read as markup"
    [reading] = [line for line in shown.splitlines() if '"units":{"power":"W"}' in line]
    assert "\x1b[32m" in reading and "[bold]x" in reading, "in one piece, in green"


def test_a_broker_that_goes_away(broker: Mosquitto) -> None:
    retain(broker, {"a": b"1"})
    sniff = Sniff(broker.url)
    assert sniff.line() == "a  1\n"
    broker.kill()
    code, _, error = sniff.end()
    assert (code, error.count("\n")) == (1, 1)
    assert error.startswith(f"broker 127.0.0.1:{broker.port}: ")


def test_a_broker_that_wants_a_password(tmp_path: Path) -> None:
    passwords = tmp_path / "passwords"
    passwords.write_text("")
    lines = [f"password_file {passwords}"]
    with Mosquitto(tmp_path / "closed", anonymous=False, config_lines=lines) as closed:
        code, _, error = Sniff(closed.url).end()
    assert (code, error.count("\n")) == (1, 1)
    assert "name and password" in error
