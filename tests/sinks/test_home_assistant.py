"""Discovery payloads, their templates rendered by Jinja as Home Assistant does."""

import json
from typing import Any

import jinja2
import pytest

from collector.devices import Device, Field
from collector.sinks import home_assistant
from collector.sinks.home_assistant import Topics

TOPICS = Topics("edge/box/air/readings", "edge/box/status", "edge/box/air/description")


def announced(fields: dict[str, Field], name: str = "air", expire_after: float = 0.0) -> dict[str, Any]:
    device = Device(name, "serial", "nova-sds011", "SDS011", 1.0, fields)
    said: dict[str, Any] = json.loads(home_assistant.announcement("box", device, TOPICS, expire_after))
    return said


def component(name: str, field: Field) -> dict[str, Any]:
    [only] = announced({name: field})["components"].values()
    assert isinstance(only, dict)
    return only


def rendered(component: dict[str, Any], fields: dict[str, Any], state: str = "before") -> str:
    class This:
        pass

    This.state = state  # type: ignore[attr-defined]
    return jinja2.Template(component["value_template"]).render(value_json={"fields": fields}, this=This)


def test_a_device_in_one_message() -> None:
    said = announced({"pm2_5": Field("ug/m3", "number"), "pm10": Field("ug/m3", "number")}, expire_after=3.0)
    assert home_assistant.topic("homeassistant", "box", "air") == "homeassistant/device/box_air/config"
    assert said["device"] == {"identifiers": ["box_air"], "name": "air", "model": "SDS011"}
    assert said["state_topic"] == "edge/box/air/readings"
    assert [one["topic"] for one in said["availability"]] == ["edge/box/status", "edge/box/air/description"]
    assert said["availability_mode"] == "all"
    for one in said["availability"]:
        assert jinja2.Template(one["value_template"]).render(value_json={"state": "online"}) == "online"
    assert said["components"]["pm2_5"] == {
        "platform": "sensor",
        "unique_id": "box_air_pm2_5",
        "name": "pm2_5",
        "expire_after": 3,
        "state_class": "measurement",
        "unit_of_measurement": "µg/m³",
        "device_class": "pm25",
        "value_template": "{{ value_json.fields.get('pm2_5', '') }}",
    }
    assert said["components"]["pm10"]["device_class"] == "pm10"


@pytest.mark.parametrize(
    ("name", "unit", "device_class", "displayed"),
    [
        ("temperature", "degC", "temperature", "°C"),
        ("humidity", "%RH", "humidity", "%"),
        ("pressure", "Pa", "pressure", "Pa"),
        ("co2", "ppm", "carbon_dioxide", "ppm"),
        ("battery", "%", "battery", "%"),
        ("battery", "V", "voltage", "V"),
        ("power", "W", "power", "W"),
        ("a.b.co2", "ppm", "carbon_dioxide", "ppm"),
        ("ratio", "%", None, "%"),
        ("pm2_5", "mg/m3", None, "mg/m³"),
        ("pm4", "ug/m3", None, "µg/m³"),
        ("reactive", "kvar", None, "kvar"),
        ("counts", "1/0.1L", None, "1/0.1L"),
    ],
)
def test_units_and_classes(name: str, unit: str, device_class: str | None, displayed: str) -> None:
    said = component(name, Field(unit, "number"))
    assert (said.get("device_class"), said["unit_of_measurement"]) == (device_class, displayed)
    assert said["state_class"] == "measurement"


@pytest.mark.parametrize(("name", "device_class"), [("pm10", None), ("co2", None), ("power_factor", "power_factor")])
def test_a_class_only_with_the_unit_it_wants(name: str, device_class: str | None) -> None:
    """With another, or none, Home Assistant would drop the entity."""
    assert component(name, Field("", "number")).get("device_class") == device_class


def test_what_counts_up() -> None:
    assert component("import", Field("kWh", "number"))["state_class"] == "total_increasing"


@pytest.mark.parametrize("name", ["plain", "a.b[0]", "it's", 'quo"te', "back\\slash", "{{ x }}", "äöü", "a b"])
def test_any_field_is_found_by_its_name(name: str) -> None:
    said = component(name, Field("V", "number"))
    assert rendered(said, {name: 1.5, "other": 2}) == "1.5"
    assert rendered(said, {name: None}) == "None"
    assert rendered(said, {"other": 2}) == "", "Home Assistant ignores what is empty"
    assert set(said["unique_id"]) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")


def test_a_switch() -> None:
    said = component("open", Field("", "switch"))
    assert said["platform"] == "binary_sensor"
    assert "state_class" not in said
    assert [rendered(said, {"open": value}) for value in (True, False, None)] == ["ON", "OFF", "None"]
    assert rendered(said, {}) == ""


def test_text_is_a_sensor_without_a_class() -> None:
    said = component("mode", Field("", "text"))
    assert said["platform"] == "sensor"
    assert not {"state_class", "unit_of_measurement", "device_class"} & said.keys()
    assert (rendered(said, {"mode": "eco"}), rendered(said, {"other": 2})) == ("eco", "before")


def test_two_names_never_share_an_id() -> None:
    fields = {name: Field("", "number") for name in ("a.b", "a b", "a_b", "a/b")}
    said = announced(fields)
    assert len(said["components"]) == len({one["unique_id"] for one in said["components"].values()}) == 4
    topics = {home_assistant.topic("homeassistant", "box", name) for name in ("a.b", "a b", "a_b", "a/b")}
    assert len(topics) == 4
