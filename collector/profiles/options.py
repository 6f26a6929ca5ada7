"""What a source may say about a profile whose fields are open."""

from typing import Any

from collector.profiles.payload.instant import TimeUnit
from collector.profiles.table import Table


class Options(Table, frozen=True, kw_only=True):
    """What is None stays as the profile says; `time_unit` counts only together with `time_field`."""

    time_field: str | None = None
    time_unit: TimeUnit = "s"
    time_zone: str | None = None
    device_field: str | None = None
    columns: list[str] | None = None
    """Names for the values of a line, in order; empty: c0, c1, ..."""
    column_units: dict[str, str] | None = None
    separator: str | None = None

    def said(self) -> dict[str, Any]:
        """The options that were given."""
        given = {name: getattr(self, name) for name in self.__struct_fields__ if name != "time_unit"}
        given = {name: value for name, value in given.items() if value is not None}
        if self.time_field is not None:
            given["time_unit"] = self.time_unit
        return given
