"""The register of devices: what readings tell about them, and what is new."""

from typing import Any

import pytest

from collector import devices
from collector.devices import Device, Devices, Field, SourceDevices
from collector.reading import Decoded


def seen(register: Devices, device: str, fields: dict[str, Any], source: str = "meter") -> None:
    part = SourceDevices(
        register, source, "json-lines", "JSON", 0.0, lambda one: {"t": "degC"} if "t" in fields else {}
    )
    part.seen(device, Decoded(None, fields))


def names(register: Devices, state: int = 0) -> list[str]:
    return [device.name for device, _ in register.new_since(state)]


def test_a_device_is_what_its_readings_hold() -> None:
    seen(register := Devices(), "a", {"t": 21.5, "open": True, "text": "on", "later": None})
    [(device, there)] = register.new_since(0)
    fields = {"t": Field("degC", "number"), "open": Field("", "switch"), "text": Field("", "text"), "later": Field()}
    assert device == Device("a", "meter", "json-lines", "JSON", 0.0, fields)
    assert not there


def test_only_what_changed_is_new() -> None:
    seen(register := Devices(), "a", {"t": 1})
    seen(register, "b", {"t": 1})
    state = register.state
    seen(register, "a", {"t": 2})
    assert names(register, state) == []
    seen(register, "a", {"n": 1})
    assert names(register, state) == ["a"]
    assert names(register) == ["b", "a"]


def test_a_reading_with_fewer_fields_takes_none_away() -> None:
    seen(register := Devices(), "a", {"t": 1, "n": None})
    seen(register, "a", {"n": 5})
    seen(register, "a", {"n": None})
    [(device, _)] = register.new_since(0)
    assert device.fields == {"t": Field("degC", "number"), "n": Field("", "number")}


def test_a_source_that_comes_and_goes_takes_its_devices_along() -> None:
    register = Devices()
    part = SourceDevices(register, "meter", "", "", 0.0, lambda one: {})
    part.connected(True)
    seen(register, "a", {"n": 1})
    seen(register, "other", {"n": 1}, source="air")
    assert {device.name: there for device, there in register.new_since(0)} == {"a": True, "other": False}
    state = register.state
    part.connected(False)
    assert [(device.name, there) for device, there in register.new_since(state)] == [("a", False)]
    part.connected(False)
    assert register.state == state + 1


def test_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "MOST", 2)
    monkeypatch.setattr(devices, "MOST_FIELDS", 3)
    register = Devices()
    for device in "abc":
        seen(register, device, {"n": 1})
    assert names(register) == ["a", "b"]
    for field in "xyz":
        seen(register, "a", {field: 1, "n": 1})
    [device] = [device for device, _ in register.new_since(0) if device.name == "a"]
    assert list(device.fields) == ["n", "x", "y"]
    seen(Devices(), "many", {f"f{n}": n for n in range(9)})


def test_the_same_devices_are_looked_at_now_and_then() -> None:
    part = SourceDevices(Devices(), "meter", "", "", 0.0, lambda one: {})
    looks = [now for now in range(0, 200, 10) if part.due(float(now))]
    assert looks == [0, 60, 120, 180]
