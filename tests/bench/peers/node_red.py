"""Node-RED with one flow: mqtt in, mqtt out."""

import json
import shutil
from pathlib import Path

from tests.bench.peers.peer import NotInstalled, Peer, Place, fetch
from tests.brokers import free_port

VERSION = "4.1.15"


class NodeRed(Peer):
    name = "Node-RED"
    burst = 60_000

    def __init__(self) -> None:
        self._program = ""

    def install(self, cache: Path) -> None:
        home = cache / f"node-red-{VERSION}"
        program = home / "node_modules" / "node-red" / "red.js"
        node, npm = shutil.which("node"), shutil.which("npm")
        if node is None or npm is None:
            raise NotInstalled("apt-get install nodejs npm")
        if not program.exists():
            home.mkdir(parents=True, exist_ok=True)
            fetch([npm, "install", "--prefix", str(home), "--no-audit", "--no-fund", f"node-red@{VERSION}"])
        self._program = str(program)

    def command(self, place: Place) -> list[str]:
        flow = place.directory / "flows.json"
        flow.write_text(
            json.dumps(
                [
                    {"id": "flow", "type": "tab", "label": "forward"},
                    _broker("source", place.source),
                    _broker("uplink", place.uplink),
                    {
                        "id": "in",
                        "type": "mqtt in",
                        "z": "flow",
                        "topic": "meters/#",
                        "qos": "1",
                        "datatype": "buffer",
                        "broker": "source",
                        "wires": [["out"]],
                    },
                    {"id": "out", "type": "mqtt out", "z": "flow", "topic": "", "qos": "1", "broker": "uplink"},
                ]
            )
        )
        settings = place.directory / "settings.js"
        settings.write_text(
            f"""module.exports = {{
                uiHost: "127.0.0.1", uiPort: {free_port()}, mqttReconnectTime: 1000,
                telemetry: {{ enabled: false }}, logging: {{ console: {{ level: "warn" }} }},
            }}"""
        )
        # What its Raspberry Pi installer sets, too.
        node = [str(shutil.which("node")), "--max_old_space_size=512"]
        return [*node, self._program, "-u", str(place.directory), "-s", str(settings), str(flow)]


def _broker(name: str, port: int) -> dict[str, object]:
    return {
        "id": name,
        "type": "mqtt-broker",
        "broker": "127.0.0.1",
        "port": str(port),
        "clientid": f"node-red-{name}",
        "autoConnect": True,
        "protocolVersion": "4",
        "keepalive": "60",
        "cleansession": False,
    }
