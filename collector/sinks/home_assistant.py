"""Home Assistant's MQTT discovery: a device and its entities in one retained message.

Source: Home Assistant documentation, MQTT, "Device discovery payload" (from release 2024.11 on).
"""

import re
from typing import Any, NamedTuple
from zlib import crc32

import msgspec

from collector import __version__
from collector.devices import Device, Field

STATUS = "status"
"""Below the discovery prefix: Home Assistant says "online" there when it has started."""

_DISPLAYED = {
    "degC": "°C", "degF": "°F", "%RH": "%", "ug/m3": "µg/m³", "mg/m3": "mg/m³", "m3": "m³", "m3/h": "m³/h",
    "ohm": "Ω", "deg": "°", "lux": "lx", "m/s2": "m/s²", "W/m2": "W/m²", "uS/cm": "µS/cm", "uV": "µV",
}  # fmt: skip
"""Our units are ASCII, Home Assistant's are not."""

_CLASS_OF_UNIT = {
    "degC": "temperature", "degF": "temperature", "K": "temperature", "%RH": "humidity",
    "Pa": "pressure", "hPa": "pressure", "kPa": "pressure", "mbar": "pressure", "bar": "pressure",
    "W": "power", "kW": "power", "Wh": "energy", "kWh": "energy", "MWh": "energy", "GJ": "energy",
    "VA": "apparent_power", "var": "reactive_power",
    "V": "voltage", "mV": "voltage", "A": "current", "mA": "current", "Hz": "frequency", "kHz": "frequency",
    "lx": "illuminance", "lux": "illuminance", "dBm": "signal_strength", "dB": "sound_pressure",
    "W/m2": "irradiance", "mm/h": "precipitation_intensity", "m/s": "speed", "km/h": "speed",
    "m3/h": "volume_flow_rate", "uS/cm": "conductivity", "B": "data_size", "kB": "data_size", "MB": "data_size",
}  # fmt: skip

_CLASS_OF_NAME = {
    "pm1": "pm1", "pm1_0": "pm1", "pm2_5": "pm25", "pm25": "pm25", "pm10": "pm10",
    "co2": "carbon_dioxide", "eco2": "carbon_dioxide", "co": "carbon_monoxide", "battery": "battery",
    "battery_percent": "battery", "moisture": "moisture", "soil_moisture": "moisture", "power_factor": "power_factor",
}  # fmt: skip
"""By the field's name, where a unit is not enough to tell."""

_UNITS_OF_NAME = {
    "battery": {"%"}, "moisture": {"%", "%RH"}, "carbon_dioxide": {"ppm"}, "carbon_monoxide": {"ppm"},
    "pm1": {"ug/m3"}, "pm25": {"ug/m3"}, "pm10": {"ug/m3"}, "power_factor": {"", "%"},
}  # fmt: skip
"""A class with any other unit, or one that a release does not know, costs the whole entity: Home Assistant drops it."""

_METERED = {"Wh", "kWh", "MWh", "J", "GJ", "m3", "varh", "kvarh"}
"""What counts up and never down."""


class Topics(NamedTuple):
    """Where the device's readings come, and where what the collector and it say of themselves has a `state`."""

    readings: str
    collector: str
    device: str


def topic(prefix: str, collector: str, device: str) -> str:
    return f"{prefix}/device/{_id(collector, device)}/config"


def announcement(collector: str, device: Device, topics: Topics, expire_after: float) -> bytes:
    """The payload for `topic`; a sensor that says nothing for `expire_after` seconds (0: ever) is unavailable."""
    identity = _id(collector, device.name)
    said: dict[str, Any] = {
        "device": {"identifiers": [identity], "name": device.name, "model": device.model or "host"},
        "origin": {"name": "Edge Collector", "sw_version": __version__},
        "state_topic": topics.readings,
        "qos": 1,
        "availability_mode": "all",
        "availability": [
            {"topic": topic, "value_template": "{{ value_json.state }}"} for topic in (topics.collector, topics.device)
        ],
        "components": {
            _word(name): _component(f"{identity}_{_word(name)}", name, field, expire_after)
            for name, field in device.fields.items()
        },
    }
    return msgspec.json.encode(said)


def _component(identity: str, name: str, field: Field, expire_after: float) -> dict[str, Any]:
    quoted = "'" + name.replace("\\", "\\\\").replace("'", "\\'") + "'"
    component: dict[str, Any] = {"platform": "sensor", "unique_id": identity, "name": name}
    if expire_after:
        component["expire_after"] = max(1, round(expire_after))
    # A reading need not carry every field: what it leaves out stays as it was. For numbers and switches nothing says
    # so; the state would be wrong for them, because it stands in the unit that the user chose to see.
    value = f"value_json.fields.get({quoted}, '')"
    if field.kind == "switch":
        component["platform"] = "binary_sensor"
        value = f"{{true: 'ON', false: 'OFF', '': ''}}.get({value})"
    elif field.kind == "number" or field.unit:
        component["state_class"] = "total_increasing" if field.unit in _METERED else "measurement"
        if field.unit:
            component["unit_of_measurement"] = _DISPLAYED.get(field.unit, field.unit)
        if device_class := _class(name, field.unit):
            component["device_class"] = device_class
    else:
        value = f"value_json.fields.get({quoted}, this.state)"
    component["value_template"] = f"{{{{ {value} }}}}"
    return component


def _class(name: str, unit: str) -> str:
    """Home Assistant's device class; empty where there is none for it."""
    by_name = _CLASS_OF_NAME.get(name.rpartition(".")[2].lower(), "")
    if by_name and unit in _UNITS_OF_NAME[by_name]:
        return by_name
    return _CLASS_OF_UNIT.get(unit, "")


def _id(collector: str, device: str) -> str:
    return f"{_word(collector)}_{_word(device)}"


def _word(name: str) -> str:
    """Only what Home Assistant takes in topics and ids, and never the same for two names."""
    word = re.sub("[^A-Za-z0-9_-]", "_", name)
    return word if word == name else f"{word}_{crc32(name.encode()):08x}"
