"""From files to the typed configuration: merging, and every mistake of form."""

import os
import tomllib
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from collector.config.load import load
from collector.config.model import Configuration, HostSource, MqttSink, MqttSource, SerialSource
from collector.errors import ConfigurationError

from .files import loaded, mistakes, write

DESIGN_EXAMPLE = """
[collector]
id = "greenhouse-01"
data_dir = "/var/lib/edge-collector"

[spool]
max_bytes = "256 MiB"
when_full = "drop-oldest"
hold = "5s"
commit_after = "1s"
linger = "20ms"
durability = "normal"

[sources.air]
type = "serial"
port = "/dev/serial/by-id/usb-1a86_USB2.0-Serial-if00-port0"
profile = "nova-sds011"

[sources.zigbee]
type = "mqtt"
url = "mqtt://localhost:1883"
topics = ["zigbee2mqtt/+"]
profile = "json-lines"
username = "collector"
password_file = "mqtt-password"
window = 1000

[sources.host]
type = "host"
interval = "30s"

[sinks.cloud]
type = "mqtt"
url = "mqtts://eu.example.com:8883"
format = "reading"
topic = "edge/{collector}/{device}/readings"
ca_file = "ca.pem"
cert_file = "cert.pem"
key_file = "key.pem"
backoff = { min = "1s", max = "60s" }

[status]
listen = "127.0.0.1:8080"

[log]
format = "auto"
level = "info"
"""


def test_the_example_of_the_design_is_accepted_without_a_word(tmp_path: Path) -> None:
    configuration, warnings, _, path, *_ = loaded(tmp_path, DESIGN_EXAMPLE)
    assert warnings == []
    assert path == tmp_path / "collector.toml"
    assert configuration.collector.id == "greenhouse-01"
    air, zigbee, cloud = (
        configuration.sources["air"],
        configuration.sources["zigbee"],
        configuration.sinks["cloud"],
    )
    assert isinstance(air, SerialSource) and air.profile == "nova-sds011"
    assert isinstance(zigbee, MqttSource) and zigbee.topics == ["zigbee2mqtt/+"]
    assert isinstance(configuration.sources["host"], HostSource)
    assert isinstance(cloud, MqttSink) and (cloud.backoff.min, cloud.backoff.max) == (1.0, 60.0)


def test_an_empty_file_is_the_defaults(tmp_path: Path) -> None:
    path = tmp_path / "collector.toml"
    path.touch()
    assert load(path).configuration == Configuration()


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('[log]\nformat = "gelf"', "log.format"),
        ('[sinks.a]\ntype = "mqtt"\nurls = ["mqtt://a", "mqtt://b"]', "sinks.a.urls"),
    ],
)
def test_a_key_of_a_later_part_is_one_warning(tmp_path: Path, text: str, key: str) -> None:
    warnings = loaded(tmp_path, text).warnings
    assert len(warnings) == 1
    assert warnings[0].startswith(f"collector.toml: {key}: not built yet; ")


def test_one_url_in_a_list_and_a_token_are_no_warning(tmp_path: Path) -> None:
    text = """
    [sinks.a]
    type = "mqtt"
    urls = ["mqtt://a"]
    [status]
    listen = "[::]:8080"
    token_file = "token"
    """
    assert loaded(tmp_path, text).warnings == []


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            "[sinks.m]\ntype = 'nats'",
            'sinks.m.type: type "nats" is not built yet; available: file, http, mqtt',
        ),
        (
            "[sinks.s]\ntype = 'influxdb'",
            'sinks.s.type: type "influxdb" is not built yet; available: file, http, mqtt',
        ),
        ("[sinks.s]\ntype = 'nats'", 'sinks.s.type: type "nats" is not built yet; available: file, http, mqtt'),
        ("[sinks.s]\ntype = 'file'", "sinks.s.path: missing; give a string"),
        (
            "[sinks.s]\ntype = 'http'\nurl = 'https://h'\ntimeout = '1h'",
            'sinks.s.timeout: "1h" is out of range; give 100ms to 10m',
        ),
        (
            "[sinks.s]\ntype = 'file'\npath = '/r'\nkeep = 0",
            "sinks.s.keep: 0 is out of range; give 1 to 1000",
        ),
        ("[sources.m]\ntype = 'seriall'", 'sources.m.type: unknown type "seriall"; did you mean "serial"?'),
        ("[sources.m]", 'sources.m.type: missing; give one of "host", "modbus", "mqtt", "replay", "serial"'),
        ("[sources.m]\ntype = 3", "sources.m.type: expected a string, found an integer; give a string"),
        ("[sources]\nm = 3", "sources.m: expected a table, found an integer; give a table"),
        ("sources = 3", "sources: expected a table, found an integer; give a table"),
        ("[spol]", 'spol: unknown key; did you mean "spool"?'),
        ("[spool]\nhold = 5", 'spool.hold: expected a duration, found an integer; write "5s"'),
        ("[spool]\nhold = 0.5", 'spool.hold: expected a duration, found a float; write "0.5s"'),
        ("[spool]\nhold = true", 'spool.hold: expected a duration, found a boolean; write it as "5s", "20ms" or "1h"'),
        ("[spool]\nmax_bytes = 99", 'spool.max_bytes: expected a size, found an integer; write "99 B"'),
        ("[spool]\nmax_bytes = '1 kB'", 'spool.max_bytes: "1 kB" is out of range; give 1 MiB to 1024 GiB'),
        ("[spool]\nwhen_full = 'drop-old'", 'spool.when_full: "drop-old" is not valid; did you mean "drop-oldest"?'),
        ("[log]\nlevel = 'loud'", 'log.level: "loud" is not valid; give one of "debug", "error", "info", "warning"'),
        ("[log]\nlevel = ''", 'log.level: "" is not valid; give one of "debug", "error", "info", "warning"'),
        ("[status]\nlisten = 1979-05-27", "status.listen: expected a string, found a date or time; give a string"),
        ("[status]\nlisten = ' '", "status.listen: is empty; give a value or remove the key"),
        ('[status]\nlisten = "a\\u0000b"', "status.listen: holds a control character; remove it"),
        ('[sources."a b"]\ntype = "host"', 'sources."a b": not a valid name; use letters, digits, "_" and "-"'),
        ('[sources.""]\ntype = "host"', 'sources."": not a valid name; use letters, digits, "_" and "-"'),
        ('["a\\nb"]', r'"a\nb": unknown key; valid here: collector, log, sandbox, sinks, sources, spool, status'),
    ],
)
def test_a_mistake_names_file_key_fault_and_remedy(tmp_path: Path, text: str, line: str) -> None:
    path = tmp_path / "collector.toml"
    path.write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        load(path)
    assert caught.value.mistakes == [f"collector.toml: {line}"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("window = 0", "window: 0 is out of range; give 1 to 65535"),
        ("window = '5'", "window: expected an integer, found a string; write it without quotes"),
        ("window = true", "window: expected an integer, found a boolean; give an integer"),
        ("window = 0x" + "f" * 5000, "window: the number is out of range; give 1 to 65535"),
        ("qos = 2", "qos: 2 is not valid; give one of 0, 1"),
        ("qos = true", "qos: expected one of 0, 1, found a boolean; give one of 0, 1"),
        ("keepalive = '0s'", 'keepalive: "0s" is out of range; give 1s to 65535s'),
        ("usrname = 'x'", 'usrname: unknown key; did you mean "username"?'),
        ("backoff = { mix = '1s' }", 'backoff.mix: unknown key; did you mean "min"?'),
        ("backoff = { min = '0s' }", 'backoff.min: "0s" is out of range; give 1ms to 1d'),
        ("topics = 'a'", "topics: expected an array, found a string; put it in [ ]"),
        ("topics = []", "topics: is empty; give at least one"),
        ("topics = ['a', 3]", "topics[1]: expected a string, found an integer; give a string"),
    ],
)
def test_the_values_of_a_source_are_checked(tmp_path: Path, line: str, said: str) -> None:
    source = {"topics": "topics = ['a']"} | {line.split()[0]: line}
    text = "[sources.a]\ntype = 'mqtt'\nurl = 'mqtt://h'\nprofile = 'json-lines'\n" + "\n".join(source.values())
    assert mistakes(tmp_path, text) == [f"collector.toml: sources.a.{said}"]


def test_all_mistakes_of_all_files_come_together(tmp_path: Path) -> None:
    text = """
    [sources.air]
    type = "serial"
    port = "/dev/ttyUSB0"
    baudrte = 9600
    [spool]
    hold = 5
    linger = "two"
    """
    found = mistakes(tmp_path, text, a='[log]\nlevel = "inf"', b="[status]\nlistn = ''", c="[[")
    assert [mistake.split("; ")[0] for mistake in found] == [
        "conf.d/c.toml:1: is not valid TOML (Invalid initial character for a key part)",
        "collector.toml: spool.hold: expected a duration, found an integer",
        'collector.toml: spool.linger: "two" is not a duration such as "5s", "20ms" or "1h"',
        "collector.toml: sources.air.baudrte: unknown key",
        "conf.d/b.toml: status.listn: unknown key",
        'conf.d/a.toml: log.level: "inf" is not valid',
    ]


def test_a_missing_key_is_blamed_only_when_every_file_could_be_read(tmp_path: Path) -> None:
    text = "[sources.air]\ntype = 'serial'\nport = '/dev/ttyUSB0'"
    assert mistakes(tmp_path, text) == ["collector.toml: sources.air.profile: missing; give a string"]
    found = mistakes(tmp_path, text, more="[sources.air]\nprofile = = 3")
    assert found == ["conf.d/more.toml:2: is not valid TOML (Invalid value); correct this line"]


def test_later_files_win_key_by_key(tmp_path: Path) -> None:
    text = """
    [sources.air]
    type = "serial"
    port = "/dev/ttyUSB0"
    profile = "nova-sds011"
    [spool]
    hold = "1s"
    commit_after = "2s"
    """
    configuration, _, origins, *_ = loaded(
        tmp_path,
        text,
        **{
            "20-line": "[sources.air]\nport = '/dev/ttyUSB2'\n[spool]\nhold = '3s'",
            "10-line": "[sources.air]\nport = '/dev/ttyUSB1'\nbaudrate = 4800\n[spool]\nhold = '4s'",
            ".20-line.swp": "[[[",
        },
    )
    air = configuration.sources["air"]
    assert isinstance(air, SerialSource)
    assert (air.port, air.baudrate, air.profile) == ("/dev/ttyUSB2", 4800, "nova-sds011")
    assert (configuration.spool.hold, configuration.spool.commit_after) == (3.0, 2.0)
    assert origins["spool", "hold"] == "conf.d/20-line.toml"
    assert origins["sources", "air", "baudrate"] == "conf.d/10-line.toml"
    assert origins["sources", "air", "profile"] == "collector.toml"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'a = 1\nb = "', "collector.toml:2: is not valid TOML (Unterminated string"),
        (b"a = 1\n\nb c\n", "collector.toml:3: is not valid TOML (Expected '=' after a key"),
        (b"a = 1\nb = '\xff'", "collector.toml:2: is not UTF-8; save the file in that encoding"),
        (b"a = 1\na = 2", "collector.toml:2: is not valid TOML (Cannot overwrite a value"),
        (b"a = " + b"9" * 5000, "collector.toml: holds a number too long to read"),
        (b"a = " + b"[" * 5000, "collector.toml: is nested too deeply"),
        (b".".join([b"a"] * 5000) + b" = 1", "collector.toml: is nested too deeply"),
        (b"#" * 1024 * 1024 + b"#", "collector.toml: is larger than 1 MiB"),
    ],
)
def test_a_file_that_is_no_toml_is_one_line(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "collector.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError) as caught:
        load(path)
    assert len(caught.value.mistakes) == 1
    assert caught.value.mistakes[0].startswith(said)


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    path = tmp_path / "collector.toml"
    path.write_bytes(b'\xef\xbb\xbf[collector]\nid = "x"')
    assert load(path).configuration.collector.id == "x"


def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    for name, said in (("missing.toml", "no such file"), (".", "is a directory")):
        with pytest.raises(ConfigurationError) as caught:
            load(tmp_path / name)
        assert len(caught.value.mistakes) == 1
        assert said in caught.value.mistakes[0]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_one_line(tmp_path: Path) -> None:
    path = write(tmp_path, "")
    path.chmod(0)
    with pytest.raises(ConfigurationError, match="may not be read"):
        load(path)


_scalars = st.one_of(
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=12),
    st.dates(),
    st.sampled_from(["5s", "1 MiB", "serial", "mqtt", "host", "modbus", "mqtt://h", "{x}", "/dev/x", "unix:x"]),
)
_fields = {
    field.encode_name for table in (SerialSource, MqttSource, MqttSink) for field in msgspec.structs.fields(table)
}
_names = st.one_of(
    st.sampled_from([*sorted(_fields), "type", "id", "data_dir", "hold", "linger", "listen", "mode"]),
    st.text(max_size=6),
)
_values = st.recursive(
    _scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_names, inner, max_size=5), max_leaves=8
)
_sections = st.dictionaries(_names, _values, max_size=6)
_documents = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(["collector", "spool", "status", "log", "sandbox", "other"], _sections | _values),
        **dict.fromkeys(["sources", "sinks"], st.dictionaries(st.text(max_size=4), _sections, max_size=3) | _values),
    },
)


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_string(key)} = {_toml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return _string(value) if isinstance(value, str) else str(value)


def _string(text: str) -> str:
    return '"' + "".join(f"\\U{ord(character):08x}" for character in text) + '"'


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(_documents)
@example({"sources": {"a": {"type": "mqtt", "topics": [], "url": 1}}})
@example({"sinks": {"cloud": {"urls": False}}})
@example({"spool": {"hold": "\u0e3b", "max_bytes": "\x85"}})
def test_any_toml_loads_or_is_refused_in_lines(tmp_path: Path, document: dict[str, object]) -> None:
    text = "\n".join(f"{key} = {_toml(value)}" for key, value in document.items())
    tomllib.loads(text)
    path = tmp_path / "collector.toml"
    path.write_text(text)
    try:
        load(path)
    except ConfigurationError as error:
        assert error.mistakes
        assert all(mistake.isprintable() for mistake in error.mistakes)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_load_or_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "collector.toml"
    path.write_bytes(content)
    try:
        load(path)
    except ConfigurationError as error:
        assert error.mistakes
