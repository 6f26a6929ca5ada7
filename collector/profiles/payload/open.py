"""What payloads share whose fields go by name: a source may say which hold time and identity."""

from collections.abc import Iterable
from typing import Any, ClassVar, Self
from zoneinfo import ZoneInfo

import msgspec

from collector.errors import ConfigurationError
from collector.profiles.payload.instant import TimeUnit, instant, time_zone
from collector.profiles.table import Table
from collector.reading import Decoded


class OpenPayload(Table, frozen=True, kw_only=True):
    """`time_field` and `device_field` name fields; these stay among the others."""

    options: ClassVar[frozenset[str]] = frozenset({"time_field", "time_unit", "time_zone", "device_field"})
    """What a source may set, see `Options`."""

    time_field: str | None = None
    time_unit: TimeUnit = "s"
    time_zone: str | None = None
    """Of the device's local times, where they do not say it themselves."""
    device_field: str | None = None

    @property
    def zone(self) -> ZoneInfo | None:
        return None if self.time_zone is None else time_zone(self.time_zone)

    def mistakes(self) -> Iterable[tuple[str, str]]:
        try:
            _ = self.zone
        except ValueError as error:
            yield "time_zone", str(error)

    def with_options(self, said: dict[str, Any]) -> Self:
        """`said` are options of `Options` that this payload takes. Raises ConfigurationError."""
        if "time_zone" in said:
            try:
                time_zone(said["time_zone"])
            except ValueError as error:
                raise ConfigurationError([f"time_zone: {error}"]) from None
        return msgspec.structs.replace(self, **said)

    def misfits(self, length: int) -> tuple[str, ...]:
        kind = str(self.__struct_config__.tag)
        return (f"payload.type: {kind} has no fixed length, but a frame of {length} bytes is declared",)


class Stamp:
    """Puts a reading's own time and identity beside its fields."""

    def __init__(self, payload: OpenPayload) -> None:
        self._time_field, self._device_field = payload.time_field, payload.device_field
        self._time_of = instant(payload.time_unit, payload.zone)
        self.bare = payload.time_field is None and payload.device_field is None
        """There is neither."""

    def __call__(
        self, fields: dict[str, Any], units: dict[str, str] | None = None, suspect: list[str] | None = None
    ) -> Decoded:
        time_field, device_field = self._time_field, self._device_field
        device = _identity(fields.get(device_field)) if device_field is not None else None
        time_ns = self._time_of(fields.get(time_field)) if time_field is not None else None
        return Decoded(device, fields, time_ns, suspect or None, units or None)


def _identity(value: Any) -> str | None:
    """Text and whole numbers name a device; nothing else does."""
    if isinstance(value, str):
        return value or None
    return str(value) if type(value) is int else None
