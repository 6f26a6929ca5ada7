"""ThingsBoard IoT Gateway with its SQLite storage: MQTT connector in, ThingsBoard's MQTT API out."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from tests.bench.peers.peer import Peer, Place, fetch

VERSION = "3.8.5"
FIELDS = {"n": "integer", "power": "double", "energy": "double", "volts": "double", "hz": "double"}

LIMITS = json.dumps({"maxPayloadSize": 65536, "maxInflightMessages": 1000, "rateLimits": {}, "gatewayRateLimits": {}})


class ThingsBoard(Peer):
    name = "ThingsBoard Gateway"
    burst = 10_000
    remark = "ThingsBoard keeps one value a device, key and millisecond; here, what it merges counts as lost."

    def __init__(self) -> None:
        self._program = ""

    def install(self, cache: Path) -> None:
        home = cache / f"thingsboard-{VERSION}"
        program = home / "bin" / "thingsboard-gateway"
        if not program.exists():
            fetch(
                [sys.executable, "-m", "venv", str(home)],
                [str(home / "bin" / "pip"), "install", "--quiet", f"thingsboard-gateway=={VERSION}"],
            )
        self._program = str(program)

    def command(self, place: Place) -> list[str]:
        (place.directory / "data").mkdir(exist_ok=True)
        _write(
            place.directory / "tb_gateway.json",
            {
                "thingsboard": {
                    "host": "127.0.0.1",
                    "port": place.uplink,
                    "remoteShell": False,
                    "remoteConfiguration": False,
                    "statistics": {"enable": False},
                    "qos": 1,
                    "security": {"type": "accessToken", "accessToken": "bench"},
                    "minPackSendDelayMS": 50,
                    "minPackSizeToSend": 500,
                    "maxPayloadSizeBytes": 65536,
                    "rateLimits": "0:0,",
                    "dpRateLimits": "0:0,",
                    "messagesRateLimits": "0:0,",
                    "deviceMessagesRateLimits": "0:0,",
                    "deviceRateLimits": "0:0,",
                    "deviceDpRateLimits": "0:0,",
                },
                "storage": {
                    "type": "sqlite",
                    "data_file_path": f"{place.directory}/data/",
                    "messages_ttl_check_in_hours": 1,
                    "messages_ttl_in_days": 7,
                    "max_read_records_count": 1000,
                },
                "connectors": [{"name": "meters", "type": "mqtt", "configuration": "mqtt.json"}],
            },
        )
        _write(
            place.directory / "mqtt.json",
            {
                "broker": {
                    "host": "127.0.0.1",
                    "port": place.source,
                    "clientId": "thingsboard",
                    "version": 4,
                    "maxMessageNumberPerWorker": 10,
                    "maxNumberOfWorkers": 100,
                    "cleanSession": False,
                    "security": {"type": "anonymous"},
                },
                "mapping": [
                    {
                        "topicFilter": "meters/+/power",
                        "subscriptionQos": 1,
                        "converter": {
                            "type": "json",
                            "deviceInfo": {
                                "deviceNameExpressionSource": "topic",
                                "deviceNameExpression": "(?<=meters/)(.*?)(?=/power)",
                                "deviceProfileExpressionSource": "constant",
                                "deviceProfileExpression": "meter",
                            },
                            "timeout": 60000,
                            "attributes": [],
                            "timeseries": [
                                {"type": kind, "key": key, "value": f"${{{key}}}"} for key, kind in FIELDS.items()
                            ],
                        },
                    }
                ],
            },
        )
        _write(
            place.directory / "logs.json",
            {
                "version": 1,
                "disable_existing_loggers": False,
                "handlers": {"console": {"class": "logging.StreamHandler", "level": "ERROR"}},
                "root": {"level": "ERROR", "handlers": ["console"]},
            },
        )
        return ["env", f"TB_GW_CONFIG_DIR={place.directory}/", self._program]

    @contextmanager
    def platform(self, uplink: int) -> Iterator[None]:
        """Tells the gateway, once it asks, that it is under no limits: before that it sends nothing."""
        client = paho.Client(CallbackAPIVersion.VERSION2)
        client.reconnect_delay_set(1, 1)
        client.on_connect = _listen
        client.on_message = _answer
        client.connect("127.0.0.1", uplink)
        client.loop_start()
        try:
            yield
        finally:
            client.loop_stop()


def _listen(client: paho.Client, *_: object) -> None:
    client.subscribe("v1/devices/me/rpc/request/+")


def _answer(client: paho.Client, _: object, asked: paho.MQTTMessage) -> None:
    client.publish(asked.topic.replace("request", "response"), LIMITS)


def _write(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=1))
