"""What README.md shows is what there is: profiles, and commands that can be typed so."""

import re
import shlex
import shutil
import ssl
from pathlib import Path

import pytest

from collector.cli import parse
from collector.commands.profiles.catalogue import markdown, table
from collector.profiles import builtin_folder
from tests.mqtt.certificates import Authority
from tests.receiving import Client, plain_batch, receiving

README = (Path(__file__).parent.parent / "README.md").read_text("utf-8")
COMMANDS = re.findall(r"^    \.venv/bin/edge-collector ([^#\n]+)|`edge-collector ([^`\n]+)`", README, re.MULTILINE)


def test_the_table_of_profiles_is_the_folder() -> None:
    """Renew it with: edge-collector profiles list --markdown"""
    shown = re.findall(r"<!-- profiles[^>]*-->\n(.*?)<!-- /profiles -->", README, re.DOTALL)
    rows, mistakes = table([builtin_folder()])
    assert mistakes == []
    assert shown == [markdown(rows)]


@pytest.mark.parametrize("line", [indented or quoted for indented, quoted in COMMANDS])
def test_every_command_can_be_typed_so(line: str) -> None:
    assert callable(parse(shlex.split(line)).func)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl to make a certificate")
def test_receiving_over_https_only_from_clients_with_the_token(tmp_path: Path) -> None:
    (line,) = (line for line, _ in COMMANDS if "--cert-file" in line)
    authority = Authority(tmp_path / "ca")
    certificate, key = authority.issue("localhost")
    (tmp_path / "token").write_text("s3cret\n")
    files = {"cert.pem": certificate, "key.pem": key, "token": tmp_path / "token", "0.0.0.0:8443": "127.0.0.1:0"}
    arguments = [str(files.get(word, word)) for word in shlex.split(line)[1:]]
    with receiving(tmp_path, *arguments, ready="listening on https://") as receive:
        context = ssl.create_default_context(cafile=str(authority.certificate))
        context.check_hostname = False  # the certificate's name is localhost
        client = Client(receive, context)
        assert client.post(plain_batch(1, 3)).status == 401
        assert client.post(plain_batch(1, 3), Authorization="Bearer s3cret").body == {"stored": 3, "duplicates": 0}
