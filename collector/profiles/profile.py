"""A firmware profile: what its file declares, and the same compiled so that it is fast."""

import copy
import re
from collections.abc import Iterable
from typing import Annotated, Literal

import msgspec

from collector.errors import ConfigurationError, FrameError
from collector.profiles import topics
from collector.profiles.checksum import Checksum, any_of
from collector.profiles.framing import Framer, Framing
from collector.profiles.framing.message import MessageFraming
from collector.profiles.framing.modbus import ModbusFraming
from collector.profiles.modbus import adu
from collector.profiles.options import Options
from collector.profiles.payload import Payload, RegistersPayload, TextPayload
from collector.profiles.payload.open import OpenPayload
from collector.profiles.polling import Polling
from collector.profiles.table import Table
from collector.profiles.topics import Place, TopicRule
from collector.reading import Decoded

ID = re.compile(r"[a-z0-9][a-z0-9.-]*")


class SerialSettings(Table, frozen=True, kw_only=True):
    """What the device's line is set to, unless the source says otherwise."""

    baudrate: Annotated[int, msgspec.Meta(ge=50, le=4_000_000)]
    bytesize: Literal[5, 6, 7, 8] = 8
    parity: Literal["none", "even", "odd"] = "none"
    stopbits: Literal[1, 2] = 1
    dtr: bool | None = None
    """The line DTR; None: as opening a port leaves it, which is on. An Arduino is reset when it goes on."""
    rts: bool | None = None

    @property
    def character(self) -> float:
        """Seconds that one takes on the line: start bit, data, parity, stop bits."""
        return (1 + self.bytesize + (self.parity != "none") + self.stopbits) / self.baudrate


class Declaration(Table, frozen=True, kw_only=True):
    """profile.toml as it is written. The texts must be there; `mistakes` says so, after all the rest is read."""

    framing: Framing
    payload: Payload
    id: str = ""
    name: str = ""
    citation: str = ""
    """Where the format is described: data sheet, manual, protocol document."""
    firmware: str | None = None
    """The versions of the device's firmware this holds for, where they differ."""
    serial: SerialSettings | None = None
    checksum: Checksum | list[Checksum] | None = None
    """Several: a frame carries one of them."""
    polling: Polling | None = None
    """For devices that must be asked."""
    topics: list[TopicRule] = []
    """Rules for the topics of MQTT messages; without any, a topic says nothing."""

    def mistakes(self) -> Iterable[tuple[str, str]]:
        for key, text in (("id", self.id), ("name", self.name), ("citation", self.citation)):
            if not text.strip():
                yield key, "missing"
        if self.id and not ID.fullmatch(self.id):
            yield "id", f"{self.id!r} must be lower-case letters, digits, '-' and '.'"

    @property
    def checksums(self) -> list[Checksum]:
        if isinstance(self.checksum, Checksum):
            return [self.checksum]
        return self.checksum or []

    def misfits(self) -> Iterable[str]:
        """Where the parts do not fit each other."""
        for length in self.framing.frame_lengths:
            yield from self.payload.misfits(length)
            for checksum in self.checksums:
                yield from checksum.misfits(length)
        if isinstance(self.framing, ModbusFraming) != isinstance(self.payload, RegistersPayload):
            yield "payload.type: registers and framing.type modbus belong together; set both or neither"
        elif isinstance(self.framing, ModbusFraming) and self.checksums:
            yield "checksum: Modbus has its own; remove the table"
        if self.polling is not None and isinstance(self.framing, MessageFraming | ModbusFraming):
            yield "polling: only for devices on a serial line that are not Modbus; remove the table"
        if self.topics and not isinstance(self.framing, MessageFraming):
            yield "topics: only messages have one; set framing.type to message"
        for i, rule in enumerate(self.topics):
            if rule.field is not None and not isinstance(self.payload, TextPayload):
                yield f"topics[{i}].field: names a bare value, but payload.type is not text"


class Profile:
    """Compiled. One serves one source, for some remember what a device said before."""

    def __init__(self, declaration: Declaration) -> None:
        self.declaration = declaration
        self.id = declaration.id
        self.name = declaration.name
        self.citation = declaration.citation
        self.serial = declaration.serial
        self.polling = declaration.polling
        self._refusal = declaration.framing.refusal
        self._verify = any_of(declaration.checksums)
        self._read = declaration.framing.inside(declaration.payload.reader())
        self._place = topics.reader(declaration.topics) if declaration.topics else None

    @property
    def cuts_a_stream(self) -> bool:
        """Whether frames are found in a stream of bytes; if not, they come one by one (MQTT)."""
        return not isinstance(self.declaration.framing, MessageFraming)

    def fresh(self) -> "Profile":
        """The same without a memory of what it has read (see `Notifications`)."""
        return Profile(self.declaration)

    def framer(self) -> Framer:
        """A new framer, for one stream of bytes."""
        return self.declaration.framing.framer(self._verify)

    def decode(self, payload: bytes, topic: str | None = None) -> list[Decoded]:
        """The readings of one frame, wherever it came from; none of a kind to be ignored. Raises FrameError."""
        place = self._place(topic) if self._place is not None and topic is not None else None
        if place is not None and place.ignored:
            return []
        if (reason := self._refusal(payload)) is not None:
            raise FrameError(reason, f"{len(payload)} bytes are not a frame of {self.id}")
        if self._verify is not None and not self._verify(payload):
            raise FrameError("checksum", "the checksum does not match the bytes it covers")
        readings = self._read(payload)
        return readings if place is None else [_placed(reading, place) for reading in readings]

    def reads(self, topic_filter: str) -> bool:
        """Whether a subscription to the filter can bring a reading."""
        rules = self.declaration.topics
        wanted = (pattern for rule in rules if not rule.ignore for pattern in rule.patterns)
        return not rules or any(topics.overlaps(pattern, topic_filter) for pattern in wanted)

    def units_of(self, reading: Decoded) -> dict[str, str]:
        """The units of the fields a reading has."""
        return {**self.declaration.payload.units_of(reading.fields), **(reading.units or {})}

    @property
    def registers(self) -> RegistersPayload | None:
        """Of a Modbus device: which there are."""
        payload = self.declaration.payload
        return payload if isinstance(payload, RegistersPayload) else None

    def answering(self, request: bytes) -> "Profile":
        """The profile as it reads replies to one Modbus request. Raises ConfigurationError."""
        if self.registers is None:
            raise ConfigurationError([f"request: profile {self.id!r} is not one of Modbus; leave it out"])
        try:
            asked = adu.request(request)
        except ValueError as error:
            raise ConfigurationError([f"request: {error}"]) from None
        profile = copy.copy(self)
        profile._read = self.registers.reader(asked)
        return profile

    def with_options(self, options: Options) -> "Profile":
        """The profile as one source wants it. Raises ConfigurationError where the fields are not open."""
        said = options.said()
        if not said:
            return self
        payload = self.declaration.payload
        foreign = [key for key in said if key not in payload.options and key != "time_unit"]
        if foreign or not isinstance(payload, OpenPayload):
            whose = f"profile {self.id!r}"
            raise ConfigurationError([f"{key}: {whose} {_closed(key)}; remove the key" for key in foreign])
        return Profile(msgspec.structs.replace(self.declaration, payload=payload.with_options(said)))


def _closed(option: str) -> str:
    return "declares its own fields" if option in OpenPayload.options else "does not read lines of values"


def _placed(reading: Decoded, place: Place) -> Decoded:
    """An identity in the payload was asked for, so it goes before the topic's."""
    device = place.device if reading.device is None else reading.device
    fields = reading.fields if place.field is None else {place.field: next(iter(reading.fields.values()))}
    return Decoded(device, fields, reading.time_ns, reading.suspect, reading.units)
