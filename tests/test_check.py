"""`check`: the configuration against profiles, brokers, topics and files, and the command around it."""

import argparse
import shutil
import subprocess
from pathlib import Path

import pytest

from collector.check import load_checked
from collector.commands import check
from collector.config.show import show
from collector.errors import ConfigurationError

HEAD = '[collector]\nid = "gw"\n[sources.host]\ntype = "host"\n'
SOURCE = '[sources.a]\ntype = "mqtt"\nurl = "{url}"\ntopics = {topics}\nprofile = "json-lines"\n'
SINK = '[sinks.s]\ntype = "mqtt"\nurl = "{url}"\n'


@pytest.fixture(autouse=True)
def no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)


def source(*topics: str, url: str = "mqtt://h", more: str = "") -> str:
    return SOURCE.format(url=url, topics=list(topics) or ["x"]) + more + "\n"


def sink(url: str = "mqtts://h", more: str = "") -> str:
    return SINK.format(url=url) + more + "\n"


def write(folder: Path, text: str) -> Path:
    path = folder / "collector.toml"
    path.write_text(HEAD + text)
    return path


def mistakes(folder: Path, text: str) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load_checked(write(folder, text))
    assert all(mistake.startswith("collector.toml: ") for mistake in caught.value.mistakes)
    return [mistake.removeprefix("collector.toml: ") for mistake in caught.value.mistakes]


def warnings(folder: Path, text: str) -> list[str]:
    return load_checked(write(folder, text)).warnings


def test_the_smallest_useful_file_is_six_lines(tmp_path: Path) -> None:
    path = tmp_path / "collector.toml"
    path.write_text(
        '[sources.air]\ntype = "serial"\nport = "/dev/ttyUSB0"\nprofile = "nova-sds011"\n'
        '[sinks]\ncloud = { type = "mqtt", url = "mqtts://eu.example.com" }\n'
    )
    assert set(load_checked(path).configuration.sinks) == {"cloud"}


def test_a_profile_that_does_not_exist(tmp_path: Path) -> None:
    text = '[sources.a]\ntype = "serial"\nport = "/dev/ttyS0"\nprofile = "nova-sds01"'
    assert mistakes(tmp_path, text) == ['sources.a.profile: no profile "nova-sds01"; did you mean "nova-sds011"?']


def test_a_profile_of_the_operator(tmp_path: Path) -> None:
    folder = tmp_path / "firmware_profiles" / "own"
    folder.mkdir(parents=True)
    (folder / "profile.toml").write_text("id = 3")
    text = '[sources.a]\ntype = "serial"\nport = "/dev/ttyS0"\nprofile = "own"'
    found = mistakes(tmp_path, text)
    assert found and all(f"sources.a.profile: {folder}/profile.toml: " in mistake for mistake in found)


def test_a_serial_source_needs_a_baudrate_from_somewhere(tmp_path: Path) -> None:
    folder = tmp_path / "firmware_profiles" / "own"
    folder.mkdir(parents=True)
    (folder / "profile.toml").write_text(
        'id = "own"\nname = "own"\ncitation = "own"\nframing.type = "delimiter"\npayload.type = "json"\n'
    )
    text = '[sources.a]\ntype = "serial"\nport = "/dev/ttyS0"\nprofile = "own"\n'
    assert mistakes(tmp_path, text) == [
        'sources.a.baudrate: missing, and profile "own" names none; give the device\'s, such as 9600'
    ]
    assert warnings(tmp_path, text + "baudrate = 9600") == []


LINES = '[sources.a]\ntype = "serial"\nport = "/dev/ttyS0"\nprofile = "csv-lines"\n'


def test_the_columns_of_lines_are_the_devices_own(tmp_path: Path) -> None:
    (warning,) = warnings(tmp_path, LINES)
    assert warning.endswith("sources.a.columns: missing, so they are taken to be t, rh, p; name the device's own")
    named = LINES + 'columns = ["a"]\ncolumn_units = { a = "V" }\nseparator = "tab"\n'
    assert warnings(tmp_path, named) == []
    assert warnings(tmp_path, LINES + "columns = []") == []
    assert mistakes(tmp_path, LINES + 'columns = ["a"]\ncolumn_units = { b = "V" }') == [
        "sources.a.column_units: 'b' is no column"
    ]
    (mistake,) = mistakes(tmp_path, source(more='separator = ";"'))
    assert mistake.startswith("sources.a.separator: profile 'json-lines' does not read lines of values")


def test_columns_are_shown_as_they_load(tmp_path: Path) -> None:
    loaded = load_checked(write(tmp_path, LINES + 'columns = ["a b"]\ncolumn_units = { "a b" = "V" }'))
    shown = tmp_path / "shown.toml"
    shown.write_text(show(loaded.configuration))
    assert load_checked(shown).configuration == loaded.configuration


def test_filters_that_bring_nothing_the_profile_reads(tmp_path: Path) -> None:
    text = source("tele/+/LWT", "$share/g/tele/+/SENSOR", "zigbee2mqtt/+").replace("json-lines", "tasmota")
    found = [warning.partition("; it reads")[0] for warning in warnings(tmp_path, text)]
    assert found == [
        'collector.toml: sources.a.topics[0]: "tele/+/LWT" brings nothing that profile "tasmota" reads',
        'collector.toml: sources.a.topics[2]: "zigbee2mqtt/+" brings nothing that profile "tasmota" reads',
    ]


def test_only_an_open_profile_takes_a_time_field(tmp_path: Path) -> None:
    text = '[sources.a]\ntype = "serial"\nport = "/dev/ttyS0"\nprofile = "nova-sds011"\ntime_field = "t"'
    (mistake,) = mistakes(tmp_path, text)
    assert mistake.startswith("sources.a.time_field: profile 'nova-sds011'")
    assert warnings(tmp_path, source(more='time_field = "t"\ntime_unit = "ms"')) == []


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("ws://h?token=hunter2", "holds more than scheme, host and port"),
        ("wss://", "has no host"),
        ("http://h", "is no broker's URL"),
        ("localhost", "is no broker's URL"),
        ("mqtt://", "has no host"),
        ("mqtt://h:0", "has no host or no port"),
        ("mqtt://h/topic", "goes on behind host and port"),
        ("mqtt://u:hunter2@h", "holds more than scheme, host and port; use username and password_file"),
        ("http://u:hunter2@h", "holds more than scheme, host and port"),
        ("mqtt://h?token=hunter2", "holds more than scheme, host and port"),
        ("mqtt://[::1", ""),
    ],
)
def test_a_url_that_is_no_broker(tmp_path: Path, url: str, said: str) -> None:
    found = mistakes(tmp_path, source(url=url) + sink(url=url))
    assert [mistake.split(":")[0] for mistake in found] == ["sources.a.url", "sinks.s.url"]
    assert all(said in mistake and "hunter2" not in mistake for mistake in found)


def test_brokers_behind_websockets_and_of_mqtt_3_1_1(tmp_path: Path) -> None:
    old = 'protocol = "3.1.1"'
    assert warnings(tmp_path, source(url="ws://h:8080/mqtt", more=old) + sink("wss://other", old)) == []
    (mistake,) = mistakes(tmp_path, source(more='protocol = "3.1"'))
    assert mistake.startswith("sources.a.protocol: ")


def test_a_filter_that_is_none(tmp_path: Path) -> None:
    found = mistakes(tmp_path, source("a/#/b", "c+", "d"))
    assert [mistake.split(":")[0] for mistake in found] == ["sources.a.topics[0]", "sources.a.topics[1]"]


def test_filters_that_deliver_twice(tmp_path: Path) -> None:
    assert mistakes(tmp_path, source("a/+", "b", "a/#")) == [
        'sources.a.topics[2]: "a/#" overlaps with "a/+", so messages would come twice; keep the wider one'
    ]


@pytest.mark.parametrize("filter", ["edge/#", "#", "edge/gw/+/readings", "edge/gw/dev/readings", "edge/+/status"])
def test_a_source_that_reads_our_own_sink(tmp_path: Path, filter: str) -> None:
    (mistake,) = mistakes(tmp_path, source(filter, url="mqtt://localhost") + sink("mqtt://127.0.0.1:1883"))
    assert mistake.startswith(f'sources.a.topics[0]: "{filter}" reads what sink "s" writes to "edge/gw/')


@pytest.mark.parametrize(
    ("filter", "url"),
    [("edge/#", "mqtt://other"), ("edge/#", "mqtt://h:1884"), ("edge/other/#", "mqtt://h"), ("x", "mqtt://h")],
)
def test_a_source_beside_our_own_sink(tmp_path: Path, filter: str, url: str) -> None:
    assert warnings(tmp_path, source(filter) + sink(url)) == []


def test_an_escaped_id_and_a_source_in_the_topic_are_compared_as_written(tmp_path: Path) -> None:
    head = HEAD.replace("gw", "a+b")
    path = tmp_path / "collector.toml"
    path.write_text(head + source("t/a%2Bb/a/x") + sink("mqtt://h", 'topic = "t/{collector}/{source}/{device}"'))
    with pytest.raises(ConfigurationError, match=r"reads what sink"):
        load_checked(path)
    path.write_text(head + source("t/a%2Bb/b/x") + sink("mqtt://h", 'topic = "t/{collector}/{source}/{device}"'))
    load_checked(path)


def test_secrets_that_cannot_be_read(tmp_path: Path) -> None:
    text = source(more='username = "u"\npassword_file = "nope"') + '[status]\ntoken_file = "token"\n'
    assert mistakes(tmp_path, text) == [
        f"sources.a.password_file: {tmp_path}/nope does not exist; create it or correct the name",
        f"status.token_file: {tmp_path}/token does not exist; create it or correct the name",
    ]


def test_what_is_unwise_with_secrets_is_warned_of(tmp_path: Path) -> None:
    secret = tmp_path / "pw"
    secret.write_text("hunter2\n")
    secret.chmod(0o644)
    found = warnings(tmp_path, source(more='username = "u"\npassword_file = "pw"'))
    assert [line.split(": ")[1] for line in found] == ["sources.a.password_file"] * 2
    assert "every user may read" in found[0] and "in the clear to h:1883" in found[1]
    secret.chmod(0o600)
    assert warnings(tmp_path, source(url="mqtts://h", more='username = "u"\npassword_file = "pw"')) == []
    assert "needs a username" in mistakes(tmp_path, source(more='password_file = "pw"'))[0]


def test_what_several_urls_have_in_common_is_said_once(tmp_path: Path) -> None:
    text = '[sinks.s]\ntype = "mqtt"\nurls = ["mqtts://a", "mqtts://b"]\nusername = "u"\npassword_file = "nope"'
    assert len(mistakes(tmp_path, text)) == 1


def test_certificates_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    assert "sinks.s.ca_file: " in mistakes(tmp_path, sink(more='ca_file = "ca.pem"'))[0]
    found = mistakes(tmp_path, sink(more='ca_file = "x.pem"\ncert_file = "y.pem"\nkey_file = "z.pem"'))
    assert [mistake.split(":")[0] for mistake in found] == ["sinks.s.ca_file", "sinks.s.cert_file", "sinks.s.key_file"]
    assert "needs an mqtts:// or wss:// URL" in mistakes(tmp_path, sink("mqtt://h", 'ca_file = "ca.pem"'))[0]


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl to make a certificate")
def test_certificates_that_can_be_used(tmp_path: Path) -> None:
    make = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=x -keyout k.pem -out c.pem"
    subprocess.run(make.split(), cwd=tmp_path, check=True, capture_output=True)
    more = 'ca_file = "c.pem"\ncert_file = "c.pem"\nkey_file = "k.pem"'
    assert warnings(tmp_path, sink(more=more)) == []
    assert "sinks.s.key_file: " in mistakes(tmp_path, sink(more='key_file = "k.pem"'))[0]


def test_mistakes_of_form_do_not_hide_mistakes_of_meaning(tmp_path: Path) -> None:
    text = (
        '[spool]\nhold = 5\n[sources.b]\ntype = "modbuss"\n'
        + source("a/+", "a/b", more="usrname = 'x'")
        + sink("http://h")
    )
    assert [mistake.split(": ")[0] for mistake in mistakes(tmp_path, text)] == [
        "spool.hold",
        "sources.b.type",
        "sources.a.usrname",
        "sinks.s.url",
        "sources.a.topics[1]",
    ]


def _run(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    check.add_to(parser.add_subparsers())
    parsed = parser.parse_args(["check", *arguments])
    code: int = parsed.func(parsed)
    return code


def test_the_command_shows_the_configuration_in_effect(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, sink(more='backoff = { max = "90s" }') + '[sandbox]\nmode = "off"\n')
    assert _run("-c", str(path)) == 0
    out, err = capsys.readouterr()
    assert 'backoff = { min = "1s", max = "90s" }' in out and 'hold = "5s"' in out
    assert err.startswith("warning: collector.toml: sandbox.mode: off, so a hole in the process opens")
    assert err.count("\n") == 1
    shown = tmp_path / "shown.toml"
    shown.write_text(out)
    assert _run("-c", str(shown)) == 0
    assert capsys.readouterr().out == out


def test_the_command_names_every_mistake_on_a_line_of_its_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, '[spol]\n[log]\nlevel = "x"\n[sources.a]\n')
    assert _run("-c", str(path)) == 2
    out, err = capsys.readouterr()
    assert out == "" and len(err.splitlines()) == 3


@pytest.mark.parametrize("broken", ["", "colour = 3\n"])
def test_a_secret_is_in_no_output(tmp_path: Path, capsys: pytest.CaptureFixture[str], broken: str) -> None:
    (tmp_path / "pw").write_text("hunter2\n")
    text = source(url="mqtts://h", more='username = "u"\npassword_file = "pw"\n' + broken)
    assert _run("-c", str(write(tmp_path, text))) == (2 if broken else 0)
    wrong_key = source(url="mqtts://u:hunter2@h", more='password = "hunter2"')
    assert _run("-c", str(write(tmp_path, wrong_key))) == 2
    out, err = capsys.readouterr()
    assert 'did you mean "password_file"?' in err
    assert "hunter2" not in out + err
