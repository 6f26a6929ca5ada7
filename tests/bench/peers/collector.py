"""Edge Collector itself, as it comes, with each of its two formats."""

import sys
from pathlib import Path

from tests.bench.peers.peer import Peer, Place


class EdgeCollector(Peer):
    burst = 200_000

    def __init__(self, format: str) -> None:
        self.name = f"Edge Collector, {format}"
        self._format = format

    def install(self, cache: Path) -> None:
        """It is here."""

    def command(self, place: Place) -> list[str]:
        configuration = place.directory / "collector.toml"
        configuration.write_text(
            f"""
            [collector]
            id = "bench"
            data_dir = "{place.directory / "data"}"
            [spool]
            clock_wait = "0s"
            [sources.meters]
            type = "mqtt"
            url = "mqtt://127.0.0.1:{place.source}"
            topics = ["meters/+/power"]
            profile = "json-lines"
            [sinks.cloud]
            type = "mqtt"
            url = "mqtt://127.0.0.1:{place.uplink}"
            format = "{self._format}"
            backoff = {{ min = "1s", max = "1s" }}
            [status]
            listen = "unix:{place.memory / "status.sock"}"
            """
        )
        run = [sys.executable, "-m", "collector", "run", "-c", str(configuration)]
        return ["env", f"RUNTIME_DIRECTORY={place.memory}", *run]
