"""What the walls let through, by the configuration."""

import stat
from pathlib import Path
from typing import get_args

import pytest

from collector import confine
from collector.config import model
from collector.config.load import Loaded, load
from collector.sandbox import landlock, seccomp, wall
from collector.sandbox.errors import Unavailable
from collector.sandbox.reach import Reach


def loaded(folder: Path, text: str) -> Loaded:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "collector.toml"
    path.write_text(f'collector.data_dir = "{folder}/data"\n{text}')
    return load(path)


@pytest.fixture
def reach(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Reach]:
    """What each `confine` asked for, with nothing raised."""
    monkeypatch.delenv("RUNTIME_DIRECTORY", raising=False)
    monkeypatch.setattr(confine, "journal_directory", lambda data_dir, quietly: (tmp_path / "tail", True))
    asked: list[Reach] = []

    def close(mode: wall.Mode, reach: Reach) -> wall.Wall:
        asked.append(reach)
        return wall.Wall(mode)

    monkeypatch.setattr(confine.wall, "close", close)
    return asked


def test_every_kind_of_source_and_sink_is_loaded_beforehand() -> None:
    assert set(confine.MODULES) == {*get_args(model.Source), *get_args(model.Sink)}


def test_ports_are_those_of_the_configuration_and_dns(tmp_path: Path, reach: list[Reach]) -> None:
    text = """
    status.listen = "127.0.0.1:8080"
    sources.meter = { type = "mqtt", url = "mqtt://localhost", topics = ["a"], profile = "json-lines" }
    sinks.cloud = { type = "mqtt", url = "wss://cloud.example:8443/mqtt" }
    sinks.web = { type = "http", url = "https://web.example/readings" }
    sinks.far = { type = "http", url = "https://far.example:9999/readings", proxy = "http://proxy:3128" }
    """
    confine.confine(loaded(tmp_path, text))
    assert (reach[0].connect, reach[0].bind) == ({53, 1883, 8443, 443, 3128}, {8080})


def test_devices_are_reached_by_serial_sources_alone(tmp_path: Path, reach: list[Reach]) -> None:
    confine.confine(loaded(tmp_path, 'sources.host.type = "host"'))
    confine.confine(
        loaded(tmp_path, 'sources.air = { type = "serial", port = "/dev/ttyUSB0", profile = "nova-sds011" }')
    )
    assert [Path("/dev") in each.devices for each in reach] == [False, True]


def test_files_are_reached_by_the_directories_they_are_renewed_in(
    tmp_path: Path, reach: list[Reach], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", "/run/credentials/edge-collector.service")
    archive, live = tmp_path / "archive", tmp_path / "live"
    for folder in (archive, live):
        folder.mkdir()
    (archive / "cert1.pem").touch()
    (live / "cert.pem").symlink_to("../archive/cert1.pem")
    text = f"""
    sinks.web = {{ type = "http", url = "https://w/", ca_file = "/etc/ca.pem", cert_file = "{live}/cert.pem" }}
    """
    confine.confine(loaded(tmp_path / "conf", text))
    assert {tmp_path / "conf", live, archive, Path("/run/credentials/edge-collector.service")} <= reach[0].read
    assert Path("/etc/ca.pem") in reach[0].read, "the file alone"
    assert not {Path("/etc"), Path("/")} & reach[0].read


def test_the_spools_directories_are_made_and_may_be_written(
    tmp_path: Path, reach: list[Reach], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNTIME_DIRECTORY", f"{tmp_path}/run:{tmp_path}/other")
    confine.confine(loaded(tmp_path, 'sinks.cloud = { type = "mqtt", url = "mqtt://localhost" }'))
    assert reach[0].write == {tmp_path / name for name in ("data", "tail", "run", "other")}
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700


def test_a_journal_that_an_earlier_run_left_elsewhere_may_be_removed(tmp_path: Path, reach: list[Reach]) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/tail.1").touch()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("collector.spool.place.places", lambda data_dir, uid: [tmp_path / "elsewhere"])
        confine.confine(loaded(tmp_path, 'sinks.cloud = { type = "mqtt", url = "mqtt://localhost" }'))
    assert tmp_path / "elsewhere" in reach[0].write


def test_without_sinks_nothing_may_be_written(tmp_path: Path, reach: list[Reach]) -> None:
    confine.confine(loaded(tmp_path, f'status.listen = "unix:{tmp_path}/run/status.sock"'))
    assert (reach[0].write, reach[0].sockets) == (set(), {tmp_path / "run"})
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("path", "covered"),
    [
        ("{here}/there/readings.jsonl", {"{here}/there"}),
        ("{here}/not/yet/readings.jsonl", {"{here}"}),
        ("/mnt/no-such-disk/a/readings.jsonl", {"/mnt"}),
        ("/no-such-directory/readings.jsonl", set()),
    ],
)
def test_a_file_sink_may_write_where_it_is_or_will_be(
    tmp_path: Path, reach: list[Reach], path: str, covered: set[str]
) -> None:
    (tmp_path / "there").mkdir()
    confine.confine(loaded(tmp_path, f'sinks.a = {{ type = "file", path = "{path.format(here=tmp_path)}" }}'))
    assert reach[0].write - {tmp_path / "data", tmp_path / "tail"} == {
        Path(place.format(here=tmp_path)) for place in covered
    }


def test_a_wall_that_cannot_be_raised_is_told_once_and_the_other_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Filters:
        allowed = 120

        def __init__(self, mode: str) -> None: ...
        def load(self) -> None: ...

    def none(reach: Reach) -> int:
        raise Unavailable("no Landlock (Function not implemented)", "run another kernel")

    monkeypatch.setattr(landlock, "restrict", none)
    monkeypatch.setattr(seccomp, "Filters", Filters)
    closed = confine.confine(loaded(tmp_path, 'sources.host.type = "host"'))
    assert str(closed) == "enforce, no Landlock, seccomp 120 syscalls"
    assert closed.lacks() == ["no Landlock (Function not implemented); run another kernel"]
    [line] = [record for record in caplog.records if record.name == "edge_collector"]
    assert line.getMessage() == f"sandbox: {closed.lacks()[0]}; collecting goes on without this wall"


def test_off_raises_nothing(tmp_path: Path, reach: list[Reach]) -> None:
    assert str(confine.confine(loaded(tmp_path, 'sandbox.mode = "off"'))) == "off"
    assert reach == []
