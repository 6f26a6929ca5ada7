"""Broker URLs, TLS settings and client ids; each mistake is one line that says what to do."""

from pathlib import Path

import pytest

from collector.errors import ConfigurationError
from collector.mqtt.address import Address, client_id, machine_id, parse
from collector.tls import tls_context


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("mqtt://localhost", Address("localhost", 1883, False)),
        ("mqtts://eu.example.com", Address("eu.example.com", 8883, True)),
        ("mqtt://10.0.0.1:11883/", Address("10.0.0.1", 11883, False)),
        ("mqtts://[fe80::1]:8884", Address("fe80::1", 8884, True)),
        ("ws://broker:8080/mqtt", Address("broker", 8080, False, "/mqtt")),
        ("ws://broker", Address("broker", 80, False, "/mqtt")),
        ("wss://broker/", Address("broker", 443, True, "/")),
        ("wss://[::1]:8081/a/b", Address("::1", 8081, True, "/a/b")),
    ],
)
def test_parse(url: str, address: Address) -> None:
    assert parse(url) == address


def test_an_address_reads_as_people_write_it() -> None:
    assert str(parse("mqtt://[::1]")) == "[::1]:1883"
    assert str(parse("mqtt://broker")) == "broker:1883"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("ws://", "no host"),
        ("ws://host/mqtt?token=x", "topics"),
        ("wss://user:secret@host/mqtt", "password_file"),
        ("localhost:1883", "mqtt://host:1883"),
        ("http://host", "mqtt://host:1883"),
        ("mqtt://user:secret@host", "password_file"),
        ("mqt://user:secret@host", "password_file"),
        ("mqtt://host/topic", "topics"),
        ("mqtt://host?x=1", "topics"),
        ("mqtt://", "no host"),
        ("mqtt://host:0", "1 to 65535"),
        ("mqtt://host:70000", "1 to 65535"),
        ("mqtt://host:x", "1 to 65535"),
        ("mqtt://[::1", "mqtt://host:1883"),
    ],
)
def test_a_refused_url_says_what_to_write(url: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        parse(url)
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)


def test_every_unusable_tls_file_is_named(tmp_path: Path) -> None:
    ca_file = tmp_path / "ca.pem"
    ca_file.write_text("no certificate")
    with pytest.raises(ConfigurationError) as caught:
        tls_context(ca_file, tmp_path / "none.pem", tmp_path / "none.key")
    assert [line.split(":")[0] for line in caught.value.mistakes] == [
        f"ca_file {ca_file}",
        f"cert_file {tmp_path / 'none.pem'}",
        f"key_file {tmp_path / 'none.key'}",
    ]


def test_a_key_alone_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="needs a cert_file"):
        tls_context(key_file=tmp_path / "key.pem")


def test_tls_always_verifies() -> None:
    context = tls_context()
    assert context.check_hostname
    assert context.verify_mode.name == "CERT_REQUIRED"
    assert context.minimum_version.name == "TLSv1_2"


def test_client_id() -> None:
    assert client_id("greenhouse-01", "zigbee", "0123456789abcdef") == "greenhouse-01-01234567-zigbee"


def test_the_machine_id_is_stable_and_never_the_raw_one(tmp_path: Path) -> None:
    file = tmp_path / "machine-id"
    file.write_text("0123456789abcdef0123456789abcdef\n")
    assert machine_id(file) == machine_id(file)
    assert machine_id(file) not in file.read_text()
    assert int(machine_id(file), 16) >= 0


@pytest.mark.parametrize("content", [None, ""])
def test_without_a_machine_id_the_host_name_serves(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "machine-id"
    if content is not None:
        file.write_text(content)
    assert machine_id(file) == machine_id(tmp_path / "none")
