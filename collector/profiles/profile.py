"""A firmware profile: what its file declares, and the same compiled so that it is fast."""

import re
from collections.abc import Iterable
from typing import Annotated, Literal

import msgspec

from collector.errors import ConfigurationError, FrameError
from collector.profiles.checksum import Checksum
from collector.profiles.framing import Framer, Framing
from collector.profiles.payload import JsonPayload, Payload
from collector.profiles.payload.instant import TimeUnit
from collector.profiles.table import Table
from collector.reading import Decoded

ID = re.compile(r"[a-z0-9][a-z0-9.-]*")


class SerialSettings(Table, frozen=True, kw_only=True):
    """What the device's line is set to, unless the source says otherwise."""

    baudrate: Annotated[int, msgspec.Meta(ge=50, le=4_000_000)]
    bytesize: Literal[5, 6, 7, 8] = 8
    parity: Literal["none", "even", "odd"] = "none"
    stopbits: Literal[1, 2] = 1


class Declaration(Table, frozen=True, kw_only=True):
    """profile.toml as it is written. The texts must be there; `mistakes` says so, after all the rest is read."""

    framing: Framing
    payload: Payload
    id: str = ""
    name: str = ""
    citation: str = ""
    """Where the format is described: data sheet, manual, protocol document."""
    serial: SerialSettings | None = None
    checksum: Checksum | None = None

    def mistakes(self) -> Iterable[tuple[str, str]]:
        for key, text in (("id", self.id), ("name", self.name), ("citation", self.citation)):
            if not text.strip():
                yield key, "missing"
        if self.id and not ID.fullmatch(self.id):
            yield "id", f"{self.id!r} must be lower-case letters, digits, '-' and '.'"

    def misfits(self) -> Iterable[str]:
        """Where the parts do not fit each other."""
        length = self.framing.frame_length
        if length is not None:
            yield from self.payload.misfits(length)
            if self.checksum is not None:
                yield from self.checksum.misfits(length)


class Profile:
    """Compiled and immutable: one serves any number of sources."""

    def __init__(self, declaration: Declaration) -> None:
        self._declaration = declaration
        self.id = declaration.id
        self.name = declaration.name
        self.citation = declaration.citation
        self.serial = declaration.serial
        self.units = declaration.payload.units
        """Field -> unit, for the fields that have one."""
        self._refusal = declaration.framing.refusal
        self._verify = declaration.checksum.verifier() if declaration.checksum else None
        self._read = declaration.payload.reader()

    def framer(self) -> Framer:
        """A new framer, for one stream of bytes."""
        return self._declaration.framing.framer(self._verify)

    def decode(self, payload: bytes, topic: str | None = None) -> list[Decoded]:
        """The readings of one frame, wherever it came from. Raises FrameError.

        No kind of payload built so far takes anything from `topic`.
        """
        reason = self._refusal(payload)
        if reason is not None:
            raise FrameError(reason, f"{len(payload)} bytes are not a frame of {self.id}")
        if self._verify is not None and not self._verify(payload):
            raise FrameError("checksum", "the checksum does not match the bytes it covers")
        return self._read(payload)

    def units_of(self, reading: Decoded) -> dict[str, str]:
        """The units of the fields a reading has."""
        return {field: unit for field, unit in self.units.items() if field in reading.fields}

    def with_options(
        self, *, time_field: str | None = None, time_unit: TimeUnit = "s", device_field: str | None = None
    ) -> "Profile":
        """The profile as one source wants it. Raises ConfigurationError where the fields are not open.

        What is None stays as the profile says; `time_unit` counts only together with `time_field`.
        """
        options: dict[str, str] = {}
        if time_field is not None:
            options |= {"time_field": time_field, "time_unit": time_unit}
        if device_field is not None:
            options |= {"device_field": device_field}
        if not options:
            return self
        payload = self._declaration.payload
        if not isinstance(payload, JsonPayload):
            keys = [key for key in options if key != "time_unit"]
            raise ConfigurationError(
                [f"{key}: profile {self.id!r} declares its own fields; remove the key" for key in keys]
            )
        changed = msgspec.structs.replace(payload, **options)
        return Profile(msgspec.structs.replace(self._declaration, payload=changed))
