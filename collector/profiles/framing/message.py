"""No framing: whoever delivers the bytes delivers one whole frame each time (MQTT)."""

from collections.abc import Iterable
from typing import Annotated, Any

import msgspec

from collector.errors import FrameError
from collector.profiles.framing.framer import Framer
from collector.profiles.framing.kind import FramingKind, Reader, Verify
from collector.profiles.payload.unit import unit_fault
from collector.profiles.table import Hex, Table
from collector.reading import Decoded


class Envelope(Table, frozen=True, kw_only=True):
    """What gateways leave around a frame of `length` bytes; one that comes without is taken as well."""

    length: Annotated[int, msgspec.Meta(ge=1, le=4096)]
    start: Hex = Hex()
    """What the frame itself begins with."""
    markers: list[Hex] = []
    """What stands right before the frame in a whole advertisement; the rest of that is passed over."""
    json: str | None = None
    """Key of a JSON object that holds the frame as hexadecimal digits."""
    fields: dict[str, str] = {}
    """Numbers of that object that are fields as well -> unit."""

    def mistakes(self) -> Iterable[tuple[str, str]]:
        for unit in self.fields.values():
            if wrong := unit_fault(unit):
                yield "fields", wrong
        if self.fields and self.json is None:
            yield "fields", "stand in a JSON object: say with json where the frame is"

    def opened(self, message: bytes) -> tuple[bytes, dict[str, Any]]:
        """The frame, and the fields beside it. Raises FrameError."""
        beside: dict[str, Any] = {}
        if self.json is not None and message.lstrip().startswith(b"{"):
            try:
                found: dict[str, Any] = msgspec.json.decode(message, type=dict[str, Any])
                message = bytes.fromhex(found[self.json])
            except KeyError:
                raise FrameError("json", f"no key {self.json!r}") from None
            except (msgspec.DecodeError, RecursionError, TypeError, ValueError) as error:
                raise FrameError("json", f"{self.json!r} holds no hexadecimal digits: {error}") from None
            beside = {key: found[key] for key in self.fields if type(found.get(key)) in (int, float)}
        for marker in self.markers if len(message) > self.length else ():
            marked = message.find(marker + self.start)
            if marked >= 0 and len(message) >= marked + len(marker) + self.length:
                message = message[marked + len(marker) :][: self.length]
                break
        if len(message) != self.length:
            raise FrameError("length", f"{len(message)} bytes where a frame has {self.length}")
        if not message.startswith(self.start):
            raise FrameError("start", f"the frame begins with {message[: len(self.start)].hex(' ')}")
        return message, beside


class MessageFraming(FramingKind, frozen=True, kw_only=True, tag="message"):
    envelope: Envelope | None = None

    @property
    def frame_lengths(self) -> list[int]:
        return [self.envelope.length] if self.envelope is not None else []

    def framer(self, verify: Verify | None) -> Framer:
        return MessageFramer(verify)

    def refusal(self, frame: bytes) -> str | None:
        return None

    def inside(self, read: Reader) -> Reader:
        envelope = self.envelope
        if envelope is None:
            return read

        def opened(message: bytes) -> list[Decoded]:
            frame, beside = envelope.opened(message)
            units = {key: envelope.fields[key] for key in beside}
            return [
                Decoded(one.device, one.fields | beside, one.time_ns, one.suspect, (one.units or {}) | units or None)
                for one in read(frame)
            ]

        return opened


class MessageFramer(Framer):
    def __init__(self, verify: Verify | None) -> None:
        super().__init__()
        self._verify = verify

    def feed(self, data: bytes) -> list[bytes]:
        if self._verify is None or self._verify(data):
            return [data]
        self.refused["checksum"] += 1
        self.garbage_bytes += len(data)
        return []

    def end(self) -> list[bytes]:
        return []
