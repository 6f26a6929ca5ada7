"""What goes into a bundle, and what must not."""

import base64
import stat
import tarfile
from pathlib import Path

import pytest

from collector.cli import main
from collector.config.load import load
from collector.support.redact import Redactor
from tests.brokers import free_port
from tests.status.reports import busy_report
from tests.test_command_status import daemon

SECRETS = {"broker-password": "hunter2-of-the-broker", "web-token": "t0ken/with+signs", "status-token": 'quo"ted\\one'}


@pytest.fixture
def configuration(tmp_path: Path) -> Path:
    for name, secret in SECRETS.items():
        (tmp_path / name).write_text(f"{secret}\n")
    file = tmp_path / "collector.toml"
    file.write_text(
        f"""
        collector.id = "green house/1"
        collector.data_dir = "{tmp_path}/data"
        [status]
        listen = "127.0.0.1:{free_port()}"
        token_file = "status-token"
        [sinks.cloud]
        type = "mqtt"
        url = "mqtt://127.0.0.1:1"
        username = "collector"
        password_file = "broker-password"
        [sinks.web]
        type = "http"
        url = "http://127.0.0.1:1/readings"
        token_file = "web-token"
        """
    )
    return file


def texts(bundle: Path) -> dict[str, str]:
    with tarfile.open(bundle) as tar:
        members = {member.name.split("/", 1)[1]: tar.extractfile(member) for member in tar}
        return {name: file.read().decode() for name, file in members.items() if file is not None}


def test_all_that_helps_and_no_secret(tmp_path: Path, configuration: Path) -> None:
    log = tmp_path / "daemon.log"
    log.write_text(
        "sink cloud: refused (Authorization: Bearer t0ken/with+signs)\n"
        f"Basic {base64.b64encode(b'collector:hunter2-of-the-broker').decode()}\n"
        'mqtt://user:old-pass@broker.example:1883 and {"x": "quo\\"ted\\\\one"}\n'
        "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEI\n-----END EC PRIVATE KEY-----\n"
    )
    report = busy_report()
    report.collector = "green house/1"
    report.sinks["cloud"].last_error = f"refused {SECRETS['broker-password']}"
    bundle = tmp_path / "bundle.tar.gz"
    listen = load(configuration).configuration.status.listen
    assert listen is not None
    with daemon(listen, report, SECRETS["status-token"].encode()):
        assert main(["support-bundle", "-c", str(configuration), "-o", str(bundle), "--log", str(log)]) == 0
    assert stat.S_IMODE(bundle.stat().st_mode) == 0o600
    found = texts(bundle)
    assert set(found) == {
        *("versions.txt", "configuration.toml", "warnings.txt", "status.json", "metrics.txt", "doctor.json", "log.txt")
    }
    assert "edge-collector 0.1.0" in found["versions.txt"]
    assert 'password_file = "broker-password"' in found["configuration.toml"]
    assert '"delivered":950' in found["status.json"]
    assert 'edge_collector_readings_delivered_total{sink="cloud"} 950.0' in found["metrics.txt"]
    assert '"subject": "broker"' in found["doctor.json"]
    assert found["log.txt"].startswith("sink cloud: refused (Authorization: Bearer ***)\n")
    everything = "".join(found.values())
    hidden = [
        *SECRETS.values(),
        'quo\\"ted',
        "user:old-pass",
        "MHcCAQ",
        base64.b64encode(b"collector:hunter2").decode(),
    ]
    for secret in hidden:
        assert secret not in everything


def test_a_stopped_daemon_and_no_log(tmp_path: Path, configuration: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    bundle = tmp_path / "bundle.tar.gz"
    assert main(["support-bundle", "-c", str(configuration), "-o", str(bundle)]) == 0
    found = texts(bundle)
    assert found["status.json"].startswith("not available: nothing answers on 127.0.0.1:")
    assert "add one with --log FILE" in found["log.txt"]


def test_another_collector_is_not_packed(tmp_path: Path, configuration: Path) -> None:
    bundle = tmp_path / "bundle.tar.gz"
    listen = load(configuration).configuration.status.listen
    assert listen is not None
    with daemon(listen, busy_report(), SECRETS["status-token"].encode()):
        assert main(["support-bundle", "-c", str(configuration), "-o", str(bundle)]) == 0
    found = texts(bundle)
    for name in ("status.json", "metrics.txt"):
        assert found[name].startswith('not available: collector "greenhouse-01" answers on ')


def test_no_file_is_replaced(tmp_path: Path, configuration: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle = tmp_path / "precious"
    bundle.write_text("precious")
    assert main(["support-bundle", "-c", str(configuration), "-o", str(bundle)]) == 1
    assert bundle.read_text() == "precious"
    assert capsys.readouterr().err.endswith("File exists; choose another file with -o\n")


def test_the_name_is_a_plain_one(
    configuration: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["support-bundle", "-c", str(configuration)]) == 0
    [bundle] = tmp_path.glob("edge-collector-support-green_house_1-*Z.tar.gz")
    assert str(bundle.name) in capsys.readouterr().out


def wrong(tmp_path: Path, text: str) -> dict[str, str]:
    (tmp_path / "collector.toml").write_text(text)
    bundle = tmp_path / "bundle.tar.gz"
    assert main(["support-bundle", "-c", str(tmp_path / "collector.toml"), "-o", str(bundle)]) == 0
    return texts(bundle)


def test_a_wrong_configuration(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = wrong(
        tmp_path,
        f"""
        collector.data_dir = "{tmp_path}/data"
        status.listen = "unix:{tmp_path}/status.sock"
        [sinks.cloud]
        type = "mqtt"
        url = "mqtts://user:hunter2@broker.example"
        password = "hunter3"
        accounts = [{{ url = "hunter4" }}]
        backoff = {{ min = "1s", secret = "hunter5" }}
        [sinks.web]
        type = "http"
        url = "https://ingest.example/in?token=hunter6"
        """,
    )
    assert "mistakes.txt names them" in capsys.readouterr().out
    assert "sinks.cloud.password: unknown key" in found["mistakes.txt"]
    lines = found["configuration.txt"].splitlines()
    assert 'sinks.cloud.url = "mqtts://***@broker.example"' in lines
    assert 'sinks.web.url = "https://ingest.example/…"' in lines
    assert "sinks.cloud.password = ***" in lines and 'sinks.cloud.backoff.min = "1s"' in lines
    assert found["status.json"].startswith("not available: nothing answers on unix:")
    assert found["versions.txt"] and found["doctor.json"].startswith("[")
    assert "hunter" not in "".join(found.values())


def test_a_configuration_that_is_no_toml(tmp_path: Path) -> None:
    found = wrong(tmp_path, 'status.listen = "127.0.0.1:1"\npassword = hunter2"\n')
    assert found["configuration.txt"] == "# left out: what cannot be read as TOML, and so not be masked\n"
    assert "is not valid TOML" in found["mistakes.txt"]
    assert "hunter2" not in "".join(found.values())


def test_the_key_of_a_webhook_is_masked_wherever_it_stands(tmp_path: Path) -> None:
    key = "T024BE7LDXXXXB024BE7LEYYYY"
    log = tmp_path / "log"
    log.write_text(f"404 Not Found: no hook {key}\nPOST https://hooks.example/services/{key}\n")
    file = tmp_path / "collector.toml"
    text = f'sinks.web = {{ type = "http", url = "https://127.0.0.1:1/services/{key}" }}\nstatus.listen = "127.0.0.1:1"'
    file.write_text(text)
    bundle = tmp_path / "bundle.tar.gz"
    assert main(["support-bundle", "-c", str(file), "-o", str(bundle), "--log", str(log)]) == 0
    found = texts(bundle)
    assert 'url = "https://127.0.0.1:1/…"' in found["configuration.toml"]
    assert found["log.txt"] == "404 Not Found: no hook ***\nPOST https://hooks.example/…\n"
    assert key not in "".join(found.values())


def test_a_secret_within_a_secret_leaves_no_rest() -> None:
    assert Redactor(["abc", "abcdef", "x"])("abcdef abc x") == "*** *** x"
