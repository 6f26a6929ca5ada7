"""A Zigbee2MQTT on the devices' broker: its readings reach the cloud, all else it says holds nothing up."""

import contextlib
import json
import sqlite3
from pathlib import Path

import paho.mqtt.client as paho

from tests.end_to_end.rig import Rig, until

MESSAGES = [
    ("zigbee2mqtt/bridge/state", b'{"state":"online"}'),
    ("zigbee2mqtt/bridge/devices", b'[{"ieee_address":"0x00158d0001dc126a","type":"EndDevice"}]'),
    ("zigbee2mqtt/bridge/logging", b'{"level":"info","message":"MQTT publish"}'),
    ("zigbee2mqtt/kitchen/floor_light/availability", b'{"state":"online"}'),
    ("zigbee2mqtt/kitchen/floor_light", b'{"state":"ON","brightness":215,"color":{"x":0.46}}'),
    ("zigbee2mqtt/kitchen/floor_light/set", b'{"state":"OFF"}'),
    ("zigbee2mqtt/cellar", b'{"temperature":27.34,"humidity":44.72}'),
    ("zigbee2mqtt/cellar/availability", b"offline"),
    ("zigbee2mqtt/button/action", b"single"),
]


def test_readings_arrive_and_the_rest_is_acknowledged(tmp_path: Path) -> None:
    with Rig(tmp_path) as rig:
        configuration = rig.configuration.read_text()
        rig.configuration.write_text(
            configuration.replace('"meter/+"', '"zigbee2mqtt/#"').replace("json-lines", "zigbee2mqtt")
        )
        rig.daemon.end()
        rig.daemon.start()
        rig.wait_ready()
        client = paho.Client(paho.CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
        client.connect("127.0.0.1", rig.devices.port)
        client.loop_start()
        for topic, payload in MESSAGES:
            client.publish(topic, payload, qos=1).wait_for_publish(30)
        client.disconnect()
        client.loop_stop()
        assert rig.wait_drained(2)["remainder"] == 0
        until(lambda: rig.status()["sources"]["meter"]["unacknowledged"] == 0, "everything to be acknowledged")
        until(lambda: len(stored(rig)) == 2, "the receiver")
        meter = rig.status()["sources"]["meter"]
        assert stored(rig) == {
            "kitchen/floor_light": {"state": "ON", "brightness": 215, "color.x": 0.46},
            "cellar": {"temperature": 27.34, "humidity": 44.72},
        }
        assert (meter["messages"], meter["ignored"], meter["invalid"]) == ({"1": 9}, 6, {"json": 1})


def stored(rig: Rig) -> dict[str, object]:
    """Device -> fields of what the receiver has."""
    with contextlib.closing(sqlite3.connect(rig.database)) as connection:
        return {
            device: json.loads(fields) for device, fields in connection.execute("SELECT device, fields FROM reading")
        }
