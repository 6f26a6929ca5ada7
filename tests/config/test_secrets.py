import os
from pathlib import Path

import pytest

from collector.config.secrets import locate, open_to_others, read_secret
from collector.errors import ConfigurationError


@pytest.fixture(autouse=True)
def no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)


@pytest.mark.parametrize("content", [b"hunter2", b"hunter2\n", b"hunter2\r\n"])
def test_the_newline_of_an_editor_is_not_part_of_it(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "password").write_bytes(content)
    assert read_secret("password", base=tmp_path) == b"hunter2"
    assert read_secret(str(tmp_path / "password"), base=Path("/nowhere")) == b"hunter2"


def test_the_credentials_of_the_service_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))
    (tmp_path / "password").write_bytes(b"beside")
    assert read_secret("password", base=tmp_path) == b"beside"
    (credentials / "password").write_bytes(b"from systemd")
    assert read_secret("password", base=tmp_path) == b"from systemd"
    assert locate(str(tmp_path / "password"), base=tmp_path) == tmp_path / "password"


def test_a_file_of_a_directory_of_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """LoadCredential=credentials:DIRECTORY puts an underscore between the two names."""
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    (tmp_path / "credentials_password").write_bytes(b"from systemd")
    assert read_secret("credentials/password", base=Path("/nowhere")) == b"from systemd"


def _make(path: Path, kind: str) -> None:
    match kind:
        case "missing":
            pass
        case "directory":
            path.mkdir()
        case "empty":
            path.write_bytes(b"\n")
        case "large":
            path.write_bytes(b"hunter2" * 10_000)
        case "fifo":
            os.mkfifo(path)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("missing", "does not exist; create it or correct the name"),
        ("directory", "is a directory; name the file itself"),
        ("empty", "is empty; write the secret into it"),
        ("large", "is larger than 64 KiB; name the right file"),
        ("fifo", "is no regular file; name another"),
    ],
)
def test_no_secret_is_one_line(tmp_path: Path, kind: str, said: str) -> None:
    _make(tmp_path / "password", kind)
    with pytest.raises(ConfigurationError) as caught:
        read_secret("password", base=tmp_path)
    assert caught.value.mistakes == [f"{tmp_path}/password {said}"]


def test_the_whole_world_reads_it(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_bytes(b"hunter2")
    file.chmod(0o640)
    assert not open_to_others(file)
    file.chmod(0o604)
    assert open_to_others(file)
    assert not open_to_others(tmp_path / "missing")
