"""What the values say against each other."""

from pathlib import Path

import pytest

from collector.config.load import load

from .files import HOST, loaded, mistakes

SERIAL = '[sources.{0}]\ntype = "serial"\nprofile = "nova-sds011"\nport = "{1}"\n'
MQTT = '[sources.a]\ntype = "mqtt"\nurl = "mqtt://h"\nprofile = "json-lines"\ntopics = ["x/+/y/#", "z/+"]\n'
SINK = '[sinks.s]\ntype = "mqtt"\n'


@pytest.mark.parametrize("name", ["raspberrypi", "RaspberryPi", "localhost", "debian"])
def test_a_stock_host_name_is_warned_of(tmp_path: Path, name: str) -> None:
    (warning,) = loaded(tmp_path, f'[collector]\nid = "{name}"\n{HOST}').warnings
    assert warning == (
        f'collector.toml: collector.id: "{name}" is what every new system is called; give this one its own name'
    )


def test_an_id_that_topics_must_escape_is_warned_of(tmp_path: Path) -> None:
    (warning,) = loaded(tmp_path, f'[collector]\nid = "site/1"\n{HOST}').warnings
    assert "which topics show escaped" in warning


@pytest.mark.parametrize(
    ("id", "said"),
    [
        ("", "is empty"),
        (" a", "begins or ends with a blank"),
        ("a\\u200bb", "invisible character"),
        ("a\\tb", "control character"),
        ("x" * 65, "has 65 characters; use at most 64"),
    ],
)
def test_an_id_that_cannot_be_used_is_refused(tmp_path: Path, id: str, said: str) -> None:
    (mistake,) = mistakes(tmp_path, f'[collector]\nid = "{id}"')
    assert mistake.startswith("collector.toml: collector.id: ")
    assert said in mistake


@pytest.mark.parametrize("port", ["/dev/ttyUSB0", "usb:1a86:7523", "usb:1A86:7523:A50285BI", "rfc2217://[::1]:1"])
def test_ports(tmp_path: Path, port: str) -> None:
    assert loaded(tmp_path, SERIAL.format("air", port)).warnings == []


@pytest.mark.parametrize(
    ("port", "said"),
    [
        ("COM3", '"COM3" is not a device; give its path'),
        ("usb:1a86", '"usb:1a86" names no USB adapter; write usb:VID:PID'),
        ("socket://h", '"socket://h" is no address; write socket://HOST:PORT or rfc2217://HOST:PORT'),
        ("socket://h:99999", "is no address"),
        ("tcp://h:502", "is no address"),
        ("rfc2217://h:1/path", "is no address"),
    ],
)
def test_ports_that_are_none(tmp_path: Path, port: str, said: str) -> None:
    (mistake,) = mistakes(tmp_path, SERIAL.format("air", port))
    assert mistake.startswith("collector.toml: sources.air.port: ") and said in mistake


MODBUS = '[sources.m]\ntype = "modbus"\n{0}\ndevices = [{1}]\n'
METER = '{ address = 1, profile = "eastron-sdm120" }'


@pytest.mark.parametrize(
    ("place", "devices", "said"),
    [
        ("", METER, "sources.m.port: missing; give the line"),
        ('port = "/dev/x"\nurl = "tcp://h"', METER, "sources.m.url: stands beside port; keep one of the two"),
        ('url = "mqtt://h"', METER, 'sources.m.url: "mqtt://h" is no address; write tcp://HOST:PORT'),
        ('url = "tcp://h"\nparity = "even"', METER, "sources.m.parity: means nothing over TCP; remove it"),
        ('port = "/dev/x"', "", "sources.m.devices: is empty; give at least one"),
        ('port = "/dev/x"', f"{METER}, {METER}", "sources.m.devices[1].address: 1 is that of device 1 already"),
        ('port = "/dev/x"\ndtr = 0', METER, "sources.m.dtr: expected true or false, found an integer"),
        (
            'port = "/dev/x"',
            '{ address = 1, profile = "x", name = "a" }, { address = 2, profile = "x", name = "a" }',
            'sources.m.devices[1].name: "a" is that of device 1 already; every device needs its own',
        ),
        ('port = "/dev/x"', '{ address = 256, profile = "x" }', "sources.m.devices[0].address: 256 is out of range"),
    ],
)
def test_modbus_sources(tmp_path: Path, place: str, devices: str, said: str) -> None:
    (mistake,) = mistakes(tmp_path, MODBUS.format(place, devices))
    assert mistake.startswith(f"collector.toml: {said}")


def test_two_sources_cannot_read_one_port(tmp_path: Path) -> None:
    (mistake,) = mistakes(tmp_path, SERIAL.format("one", "/dev/ttyS0") + SERIAL.format("two", "/dev/ttyS0"))
    assert mistake == (
        'collector.toml: sources.two.port: "/dev/ttyS0" is read by source "one" already; one port, one source'
    )


@pytest.mark.parametrize("device", ["{1}", "meter-{1}", "plain"])
def test_a_device_template_that_every_filter_can_fill(tmp_path: Path, device: str) -> None:
    assert loaded(tmp_path, f'{MQTT}device = "{device}"').warnings == []


@pytest.mark.parametrize(
    ("device", "said"),
    [
        ("{2}", '{2} is more than the 1 wildcards of "z/+"'),
        ("{0}", '"{0}" is no placeholder'),
        ("{device}", '"{device}" is no placeholder'),
        ("{1", "a brace stands alone"),
    ],
)
def test_a_device_template_that_cannot_be_filled(tmp_path: Path, device: str, said: str) -> None:
    (mistake,) = mistakes(tmp_path, f'{MQTT}device = "{device}"')
    assert mistake.startswith(f"collector.toml: sources.a.device: {said}")


def test_a_serial_device_has_no_topic_to_take_from(tmp_path: Path) -> None:
    (mistake,) = mistakes(tmp_path, SERIAL.format("air", "/dev/ttyS0") + 'device = "{1}"')
    assert "needs a topic" in mistake


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "sinks.s.url: missing"),
        ('url = "mqtt://h"\nurls = ["mqtt://h"]', "sinks.s.urls: stands beside url"),
        ('url = "mqtt://h"\ntopic = "a/{dev}"', 'sinks.s.topic: "{dev}" is no placeholder'),
        ('url = "mqtt://h"\ntopic = "a/{device!r}"', 'sinks.s.topic: "{device!r}" is no placeholder'),
        ('url = "mqtt://h"\ntopic = "a/{{x}}"', "sinks.s.topic: "),
        ('url = "mqtt://h"\ntopic = "a/}"', "sinks.s.topic: a brace stands alone"),
        ('url = "mqtt://h"\ntopic = "a/+"', "sinks.s.topic: holds a wildcard"),
        ('url = "mqtt://h"\ntopic = "$SYS/a"', "sinks.s.topic: begins with $"),
        (
            'url = "mqtt://h"\nformat = "batch"\ntopic = "{device}"',
            "sinks.s.topic: {device} has no one value in a batch",
        ),
        ('url = "mqtt://h"\nbackoff = { min = "2m" }', "sinks.s.backoff: min (2m) is longer than max (1m)"),
    ],
)
def test_a_sink_that_contradicts_itself(tmp_path: Path, text: str, said: str) -> None:
    assert mistakes(tmp_path, SINK + text)[0].startswith(f"collector.toml: {said}")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "sinks.h.url: missing; give the server's address"),
        ('url = "https://h"\nurls = ["https://h"]', "sinks.h.urls: stands beside url"),
        ('url = "https://h"\nheader_file = "key"', "sinks.h.header_file: needs a header beside it"),
        ('url = "https://h"\nheader = "X-Api-Key"', "sinks.h.header: needs a header_file beside it"),
        ('url = "https://h"\nheader = "X Key"\nheader_file = "key"', 'sinks.h.header: "X Key" is no header\'s name'),
        ('url = "https://h"\nheader = "Idempotency-Key"\nheader_file = "key"', "is set by the collector itself"),
        ('url = "https://h"\nheader = "authorization"\nheader_file = "k"\ntoken_file = "t"', "what token_file sets"),
        ('url = "https://h"\nbackoff = { min = "2m" }', "sinks.h.backoff: min (2m) is longer than max (1m)"),
    ],
)
def test_an_http_sink_that_contradicts_itself(tmp_path: Path, text: str, said: str) -> None:
    (mistake,) = mistakes(tmp_path, f'[sinks.h]\ntype = "http"\n{text}')
    assert said in mistake


def test_files_are_absolute_and_each_has_one_sink(tmp_path: Path) -> None:
    file = '[sinks.{0}]\ntype = "file"\npath = "{1}"\n'
    assert "sinks.a.path: is relative" in mistakes(tmp_path, file.format("a", "r.jsonl"))[0]
    (mistake,) = mistakes(tmp_path, file.format("a", "/r.jsonl") + file.format("b", "/r.jsonl"))
    assert mistake.endswith('sinks.b.path: "/r.jsonl" is written by sink "a" already; one file, one sink')


def test_a_batch_goes_to_a_topic_of_the_collector(tmp_path: Path) -> None:
    sink = loaded(tmp_path, f'{SINK}url = "mqtt://h"\nformat = "batch"').configuration.sinks["s"]
    assert sink.topic_template == "edge/{collector}/readings"


@pytest.mark.parametrize("listen", ["127.0.0.1:8080", "localhost:1", "[::1]:80", "unix:/run/x.sock", "127.8.8.8:1"])
def test_what_only_this_machine_reaches_needs_no_token(tmp_path: Path, listen: str) -> None:
    assert loaded(tmp_path, f'[status]\nlisten = "{listen}"').warnings == []


@pytest.mark.parametrize("listen", ["127.0.0.1:0", "[::1]:00"])
def test_a_port_that_nobody_finds(tmp_path: Path, listen: str) -> None:
    (mistake,) = mistakes(tmp_path, f'[status]\nlisten = "{listen}"')
    assert mistake.startswith("collector.toml: status.listen: port 0 is another port at each start, where")


@pytest.mark.parametrize("text", ["", "[sources]\n"])
def test_nothing_to_collect_is_warned_of(tmp_path: Path, text: str) -> None:
    path = tmp_path / "collector.toml"
    path.write_text(text)
    (warning,) = load(path).warnings
    assert warning.startswith("collector.toml: sources: there is none, so nothing is collected; add one")


@pytest.mark.parametrize("listen", ["0.0.0.0:8080", "[::]:8080", "192.168.1.2:80", "box.local:80"])
def test_what_others_reach_needs_a_token(tmp_path: Path, listen: str) -> None:
    (mistake,) = mistakes(tmp_path, f'[status]\nlisten = "{listen}"')
    assert "others can reach this address; add token_file" in mistake


@pytest.mark.parametrize("listen", ["8080", ":8080", "a:b", "127.0.0.1:65536", "unix:run/x", "http://a:80", "::1:80"])
def test_what_is_no_address(tmp_path: Path, listen: str) -> None:
    (mistake,) = mistakes(tmp_path, f'[status]\nlisten = "{listen}"')
    assert mistake.startswith("collector.toml: status.listen: not an ")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[collector]\nid = "x"\ndata_dir = "data"', "collector.data_dir: is relative"),
        ('[spool]\nhold = "10ms"', "spool: linger (20ms) is longer than hold (10ms)"),
        ('[spool]\ncommit_after = "10ms"', "spool: linger (20ms) is longer than commit_after (10ms)"),
        (f'{MQTT}time_unit = "ms"', "sources.a.time_unit: means nothing without time_field"),
    ],
)
def test_keys_that_contradict_each_other(tmp_path: Path, text: str, said: str) -> None:
    (mistake,) = mistakes(tmp_path, text)
    assert mistake.startswith(f"collector.toml: {said}")


def test_a_default_does_not_answer_for_a_value_of_the_wrong_form(tmp_path: Path) -> None:
    (mistake,) = mistakes(tmp_path, '[spool]\nlinger = "10s"\nhold = 20\ncommit_after = "20s"')
    assert "spool.hold: expected a duration" in mistake
