"""`check` of HTTP and file sinks: addresses, secrets, certificates and directories."""

import argparse
import os
import re
import textwrap
from pathlib import Path

import pytest

from collector.check import load_checked
from collector.commands import check
from tests.test_check import mistakes, warnings, write

README = Path(__file__).parent.parent / "README.md"


@pytest.fixture(autouse=True)
def no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)


def http(url: str = "https://h/in", more: str = "") -> str:
    return f'[sinks.h]\ntype = "http"\nurl = "{url}"\n{more}\n'


def file(path: Path) -> str:
    return f'[sinks.f]\ntype = "file"\npath = "{path}"\n'


@pytest.mark.parametrize("url", ["https://h", "https://h:8443/a/b", "http://[::1]:80/in", "http://localhost"])
def test_addresses_of_servers(tmp_path: Path, url: str) -> None:
    assert warnings(tmp_path, http(url)) == []


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("mqtts://h", "is no web server's URL"),
        ("h.example", "is no web server's URL"),
        ("https://", "has no host"),
        ("https://h:0", "has no host or no port"),
        ("https://h:99999", "is no URL"),
        ("https://[::1", "is no URL"),
        ("https://u:hunter2@h", "use token_file, or header and header_file"),
        ("https://h/?token=hunter2", "use token_file, or header and header_file"),
        ("https://h/#hunter2", "use token_file, or header and header_file"),
    ],
)
def test_what_is_no_servers_address(tmp_path: Path, url: str, said: str) -> None:
    (mistake,) = mistakes(tmp_path, http(url))
    assert mistake.startswith("sinks.h.url: ") and said in mistake
    assert "hunter2" not in mistake


@pytest.mark.parametrize(
    ("proxy", "said"),
    [
        ("http://u:hunter2@proxy", "a proxy that wants a password is not supported"),
        ("https://proxy", "is no proxy's URL; write http://host:3128"),
        ("http://proxy/path", "is no proxy's URL; write http://host:3128"),
        ("proxy:3128", "is no web server's URL"),
    ],
)
def test_what_is_no_proxy(tmp_path: Path, proxy: str, said: str) -> None:
    (mistake,) = mistakes(tmp_path, http(more=f'proxy = "{proxy}"'))
    assert mistake.startswith("sinks.h.proxy: ") and said in mistake
    assert "hunter2" not in mistake
    assert warnings(tmp_path, http(more='proxy = "http://proxy:3128"')) == []


def test_a_secret_must_fit_into_a_header(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("hunter2\n")
    (tmp_path / "token").chmod(0o600)
    assert warnings(tmp_path, http(more='token_file = "token"')) == []
    (warning,) = warnings(tmp_path, http("http://h/in", 'header = "X-Api-Key"\nheader_file = "token"'))
    assert "sinks.h.header_file: crosses the network in the clear to h:80; use https://" in warning
    assert warnings(tmp_path, http("http://localhost/in", 'token_file = "token"')) == []
    for secret in ("hunter2\r\nX-Admin: yes\n", " hunter2", "hünter2", "hunter2\0"):
        (tmp_path / "token").write_text(secret)
        (mistake,) = mistakes(tmp_path, http(more='token_file = "token"'))
        assert mistake.startswith(f"sinks.h.token_file: {tmp_path}/token holds more than one line of plain")
        assert "hunter2" not in mistake


def test_certificates_need_https(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    assert "sinks.h.ca_file: needs an https:// URL" in mistakes(tmp_path, http("http://h", 'ca_file = "ca.pem"'))[0]
    assert "holds no certificate" in mistakes(tmp_path, http(more='ca_file = "ca.pem"'))[0]


@pytest.mark.parametrize("key", ["ca_file", "cert_file", "key_file", "token_file"])
@pytest.mark.timeout(10)
def test_a_fifo_is_no_file_and_nobody_waits_for_it(tmp_path: Path, key: str) -> None:
    os.mkfifo(tmp_path / "fifo")
    assert f"sinks.h.{key}: {tmp_path}/fifo is no regular file; name another" in mistakes(
        tmp_path, http(more=f'{key} = "fifo"')
    )


def test_a_directory_that_is_not_there_may_come(tmp_path: Path) -> None:
    assert warnings(tmp_path, file(tmp_path / "readings.jsonl")) == []
    (warning,) = warnings(tmp_path, file(tmp_path / "none" / "readings.jsonl"))
    assert f'sinks.f.path: "{tmp_path}/none" is not there, and is waited for; create it, mount' in warning


def test_what_no_file_can_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    (mistake,) = mistakes(tmp_path, file(tmp_path / "plain" / "readings.jsonl"))
    assert mistake == f'sinks.f.path: "{tmp_path}/plain" is no directory; correct the path'
    (mistake,) = mistakes(tmp_path, file(tmp_path))
    assert mistake == f'sinks.f.path: "{tmp_path}" is no regular file; name another'


def test_the_examples_of_the_readme_are_short_and_right(tmp_path: Path) -> None:
    section = README.read_text("utf-8").split("\n## Other clouds\n")[1].split("\n## ")[0]
    examples = re.findall(r"(?:^    .*\n)+", section, re.MULTILINE)
    assert len(examples) == 2
    (tmp_path / "ingest-token").write_text("hunter2\n")
    (tmp_path / "ingest-token").chmod(0o600)
    for example in examples:
        assert len(example.splitlines()) <= 8
        assert warnings(tmp_path, textwrap.dedent(example).replace("/var/lib/edge-collector", str(tmp_path))) == []


def test_the_configuration_in_effect_loads_again_and_shows_no_secret(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "token").write_text("hunter2\n")
    (tmp_path / "token").chmod(0o600)
    path = write(tmp_path, http(more='token_file = "token"') + file(tmp_path / "readings.jsonl"))
    parser = argparse.ArgumentParser()
    check.add_to(parser.add_subparsers())
    parsed = parser.parse_args(["check", "-c", str(path)])
    assert parsed.func(parsed) == 0
    out, err = capsys.readouterr()
    assert 'timeout = "30s"' in out and 'max_bytes = "64 MiB"' in out and "keep = 5" in out
    assert "hunter2" not in out + err
    shown = tmp_path / "shown.toml"
    shown.write_text(out)
    assert load_checked(shown).configuration == load_checked(path).configuration


def test_a_directory_that_the_service_is_kept_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As ProtectSystem=strict shows all but the unit's own directories."""

    class ReadOnly:
        f_flag = os.ST_RDONLY

    monkeypatch.setattr("collector.check_sinks.os.statvfs", lambda path: ReadOnly)
    (warning,) = warnings(tmp_path, file(tmp_path / "readings.jsonl"))
    assert warning.endswith(f"systemctl edit, ReadWritePaths={tmp_path}")
