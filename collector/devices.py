"""What is known of each device beside its readings: where it is read, what it is, its fields and their units."""

from collections.abc import Callable, Iterator
from typing import Any, Literal

import msgspec

from collector.reading import Decoded

Kind = Literal["number", "text", "switch"]

MOST = 10_000
"""Devices that are described; of more, those that come later are not. Topics are somebody else's to invent."""

MOST_FIELDS = 512
"""Of one device, beyond which no more are described."""

LOOK_EVERY = 60.0
"""Seconds after which a device that is known is looked at again: it may have new fields."""


class Field(msgspec.Struct, frozen=True, omit_defaults=True):
    unit: str = ""
    kind: Kind | None = None
    """None while only nulls have been seen."""


class Device(msgspec.Struct, frozen=True):
    """`interval` is in seconds, 0 where nobody knows how often it is read or speaks."""

    name: str
    source: str
    profile: str
    """The firmware profile's id; empty for the host's own figures."""
    model: str
    interval: float
    fields: dict[str, Field]


class Devices:
    """Grows as devices and fields are seen. Whoever tells about them asks now and then what is `new_since`."""

    def __init__(self) -> None:
        self._devices: dict[str, Device] = {}
        self._news: dict[str, int] = {}
        """Per device, the state of the register in which it changed last; the newest at the end."""
        self._reachable: dict[str, bool] = {}
        self.state = 0

    def seen(self, device: Device) -> None:
        """Nothing known of its fields is forgotten: a reading need not carry every one."""
        known = self._devices.get(device.name)
        if known is not None:
            fields = known.fields | {
                name: Field(field.unit, field.kind or known.fields.get(name, field).kind)
                for name, field in device.fields.items()
                if name in known.fields or len(known.fields) < MOST_FIELDS
            }
            device = msgspec.structs.replace(device, fields=fields)
        if device != known and (known is not None or len(self._devices) < MOST):
            self._devices[device.name] = device
            self._changed(device.name)

    def reachable(self, source: str, reachable: bool) -> None:
        """Whether the source is connected; its devices can be heard only then."""
        if self._reachable.get(source) is not reachable:
            self._reachable[source] = reachable
            for name in [device.name for device in self._devices.values() if device.source == source]:
                self._changed(name)

    def new_since(self, state: int) -> Iterator[tuple[Device, bool]]:
        """Devices that changed after the register was in `state`, and whether each can be reached."""
        for name in [name for name, changed in self._news.items() if changed > state]:
            device = self._devices[name]
            yield device, self._reachable.get(device.source, False)

    def _changed(self, device: str) -> None:
        self.state += 1
        self._news.pop(device, None)
        self._news[device] = self.state


class SourceDevices:
    """One source's part in the register: its readings are looked at now and then, which costs the others nothing."""

    def __init__(
        self,
        register: Devices,
        source: str,
        profile: str,
        model: str,
        interval: float,
        units: Callable[[Decoded], dict[str, str]],
    ) -> None:
        """`units` tells the unit of each of a reading's fields that has one."""
        self._register = register
        self._device = Device("", source, profile, model, interval, {})
        self._units = units
        self._looked = float("-inf")

    def connected(self, connected: bool) -> None:
        self._register.reachable(self._device.source, connected)

    def due(self, now: float) -> bool:
        """Whether readings that come together should be `seen` although their devices are known."""
        if now - self._looked < LOOK_EVERY:
            return False
        self._looked = now
        return True

    def seen(self, device: str, reading: Decoded) -> None:
        units = self._units(reading)
        fields = {name: Field(units.get(name, ""), _kind(value)) for name, value in reading.fields.items()}
        self._register.seen(msgspec.structs.replace(self._device, name=device, fields=fields))


class BusDevices(SourceDevices):
    """The part of a source whose devices are known beforehand, each of its own kind."""

    def __init__(self, register: Devices, source: str, parts: dict[str, SourceDevices]) -> None:
        """By the device's name."""
        super().__init__(register, source, "", "", 0.0, lambda reading: {})
        self._parts = parts

    def seen(self, device: str, reading: Decoded) -> None:
        self._parts[device].seen(device, reading)


def _kind(value: Any) -> Kind | None:
    if value is None:
        return None
    return "switch" if isinstance(value, bool) else "number" if isinstance(value, int | float) else "text"
