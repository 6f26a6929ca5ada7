"""The `run` command: what the world lacks at the start is waited for."""

import json
import signal
from pathlib import Path

from tests.end_to_end.rig import until
from tests.log.test_daemon import daemon


def test_a_file_sinks_directory_may_come_later(tmp_path: Path) -> None:
    readings, log = tmp_path / "disk" / "readings.jsonl", tmp_path / "log"
    configuration = tmp_path / "collector.toml"
    configuration.write_text(
        f"""
        collector.data_dir = "{tmp_path}/data"
        collector.id = "box"
        status.listen = "unix:{tmp_path}/status.sock"
        sources.host = {{ type = "host", interval = "50ms" }}
        sinks.disk = {{ type = "file", path = "{readings}", backoff = {{ min = "20ms", max = "100ms" }} }}
        """
    )
    with log.open("wb") as stderr, daemon(configuration, stderr.fileno()) as process:
        until(lambda: "sink.backoff" in log.read_text(), "the sink waits")
        readings.parent.mkdir()
        until(lambda: readings.exists() and readings.read_bytes().count(b"\n") > 3, "readings in the file")
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    said = [(line["event.action"], line["message"]) for line in lines if line["log.level"] != "info"]
    assert [code for code, _ in said] == ["config.warning", "sink.backoff"]
    assert all(str(readings.parent) in message for _, message in said)
    first = json.loads(readings.read_text().splitlines()[0])["id"]
    assert first.startswith("box/") and first.endswith("/1"), "nothing from before is missing"
