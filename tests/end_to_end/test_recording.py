"""`run --record`, then `replay` sources in a daemon of their own: the same readings again."""

import json
import os
import pty
from pathlib import Path
from typing import Any

from paho.mqtt import publish

from tests.brokers import Mosquitto
from tests.end_to_end.rig import Program, until

FRAME = bytes.fromhex("aac0d4043a0aa1601dab")


def configured(folder: Path, name: str, tables: str) -> Path:
    (file := folder / f"{name}.toml").write_text(
        f"""
        [collector]
        id = "box"
        data_dir = "{folder / name}"
        [sinks.archive]
        type = "file"
        path = "{folder / name}.jsonl"
        [status]
        listen = "unix:{folder / name}.sock"
        {tables}
        """
    )
    return file


def stored(folder: Path, name: str) -> list[tuple[Any, Any, Any]]:
    file = folder / f"{name}.jsonl"
    lines = file.read_text().splitlines() if file.exists() else []
    readings = [json.loads(line) for line in lines]
    return sorted((one["source"], one["device"], json.dumps(one["fields"])) for one in readings)


def test_a_recording_gives_the_same_readings_again(tmp_path: Path, broker: Mosquitto) -> None:
    device, line = pty.openpty()
    live = f"""
        [sources.air]
        type = "serial"
        port = "{os.ttyname(line)}"
        profile = "nova-sds011"
        [sources.meter]
        type = "mqtt"
        url = "{broker.url}"
        topics = ["meters/+/power"]
        profile = "json-lines"
        """
    config = configured(tmp_path, "live", live)
    daemon = Program(tmp_path, "run", "-c", str(config), "--record", str(tmp_path / "captures"))
    daemon.start()
    try:
        until(lambda: daemon.log.read_text().count('"message":"source') == 2, "the sources")
        for count in range(3):
            os.write(device, b"\x00" + FRAME)
            publish.single(f"meters/{count}/power", json.dumps({"w": count}), qos=1, port=broker.port)
        until(lambda: len(stored(tmp_path, "live")) == 6, "six readings")
        assert daemon.end() == 0
        captures = {path.name.partition("-")[0]: path for path in (tmp_path / "captures").iterdir()}
        assert captures.keys() == {"air", "meter"}
        again = f"""
            [sources.air]
            type = "replay"
            path = "{captures["air"]}"
            profile = "nova-sds011"
            [sources.meter]
            type = "replay"
            path = "{captures["meter"]}"
            profile = "json-lines"
            topics = ["meters/+/power"]
            """
        daemon = Program(tmp_path, "run", "-c", str(configured(tmp_path, "again", again)))
        daemon.start()
        until(lambda: len(stored(tmp_path, "again")) == 6, "six readings again")
        assert stored(tmp_path, "again") == stored(tmp_path, "live")
        assert daemon.end() == 0
    finally:
        daemon.close()
        os.close(device)
        os.close(line)
