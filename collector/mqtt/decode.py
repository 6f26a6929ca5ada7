"""Packets out of the bytes a broker sends. Pure: no I/O, no clock; memory is bounded by the two limits."""

from typing import Final

from collector.mqtt import properties, reason
from collector.mqtt.errors import ProtocolError
from collector.mqtt.packets import (
    AUTH,
    CONNACK,
    DISCONNECT,
    NO_PROPERTIES,
    PINGRESP,
    PUBACK,
    PUBLISH,
    SUBACK,
    UNSUBACK,
    VERSION_5,
    Connack,
    Disconnect,
    Packet,
    Pingresp,
    Properties,
    Puback,
    Publish,
    Suback,
    Unsuback,
)

LARGEST_PROPERTIES: Final = 16 * 1024
"""Bytes of a message's properties that are looked at. They are any publisher's to fill, and take up to twenty times
their size in memory; a message with more counts as too large."""

TOPICS_REMEMBERED: Final = 1024
"""Topic names whose decoding is kept; beyond that all are forgotten, so strange brokers cost no memory."""

# The first bytes a broker may send us (MQTT 5 §2.1.3); PUBLISH at QoS 0 and 1, DUP only at QoS 1.
_PUBLISH_HEADERS: Final = {
    first: (first >> 1 & 1, first & 0x01 != 0, first & 0x08 != 0) for first in (0x30, 0x31, 0x32, 0x33, 0x3A, 0x3B)
}
"""What they say: QoS, RETAIN, DUP."""
_HEADERS: Final = _PUBLISH_HEADERS.keys() | {
    kind << 4 for kind in (CONNACK, PUBACK, SUBACK, UNSUBACK, PINGRESP, DISCONNECT)
}
_PINGRESP: Final = Pingresp()


class Decoder:
    """Incremental: however the stream is cut, the same packets come out.

    A packet of more than `maximum_packet_size` bytes is an error. A PUBLISH whose payload alone exceeds
    `max_payload` is not: its payload is skipped as it comes in, and `Publish.oversize` tells its length.

    Reason codes that the specification does not name are passed on: they end nothing but what they refuse.
    """

    def __init__(self, *, maximum_packet_size: int, max_payload: int, version: int = VERSION_5) -> None:
        self._limit = maximum_packet_size
        self._max_payload = max_payload
        self._version = version
        self._pending = bytearray()
        self._need = 0
        """Bytes that must be pending before it makes sense to look again."""
        self._skipping: Publish | None = None
        self._skip = 0
        """Bytes of the oversized payload still to come; behind them `_skipping` is due."""
        self._topics: dict[bytes, str] = {}
        self._error: ProtocolError | None = None

    @property
    def buffered(self) -> int:
        """Bytes held back because their packet is not complete."""
        return len(self._pending)

    def feed(self, data: bytes) -> list[Packet]:
        """The packets that `data` completes; ProtocolError ends the stream, and is raised ever after."""
        if self._error is not None:
            raise ProtocolError(str(self._error), self._error.reason_code)
        packets: list[Packet] = []
        if self._skipping is not None:
            if len(data) < self._skip:
                self._skip -= len(data)
                return packets
            data = data[self._skip :]
            packets.append(self._skipping)
            self._skipping = None
        if self._pending:
            self._pending += data
            if len(self._pending) < self._need:
                return packets
            data = bytes(self._pending)
            self._pending.clear()
        try:
            rest = self._parse(data, packets)
        except ProtocolError as error:
            error.before = packets
            self._error = error
            raise
        if rest < len(data):
            self._pending += data[rest:]
        return packets

    def _parse(self, data: bytes, packets: list[Packet]) -> int:
        """Appends every complete packet; returns where the incomplete one begins."""
        size = len(data)
        limit = self._limit
        publish = self._publish
        at = 0
        while size - at >= 2:
            first = data[at]
            flags = _PUBLISH_HEADERS.get(first)
            if flags is None and first not in _HEADERS:
                raise _unexpected(first)
            length = data[at + 1]
            body = at + 2
            if length > 0x7F:
                head = properties.read_varint(data, at + 1, size)
                if head is None:
                    break
                length, body = head
            end = body + length
            if end - at > limit:
                raise ProtocolError(
                    f"a packet of {end - at} bytes, beyond the {limit} we announced",
                    reason.PACKET_TOO_LARGE,
                )
            if end > size:
                return self._incomplete(data, at, body, end)
            if flags is not None:
                packets.append(publish(flags, data, body, end))
            elif first == 0x40 and length == 2:
                packets.append(Puback(_packet_id(data, body, end)))
            else:
                packets.append(self._other(first >> 4, data, body, end))
            at = end
        self._need = size - at + 1
        return at

    def _incomplete(self, data: bytes, at: int, body: int, end: int) -> int:
        """Waits for the packet at `at`; skips it from here on once its payload is known to be too large."""
        size = len(data)
        self._need = end - at
        first = data[at]
        if first in _PUBLISH_HEADERS and end - body > self._max_payload:
            payload = self._payload_offset(first, data, body, end)
            if payload > size:
                self._need = payload - at
            elif payload < 0 or end - payload > self._max_payload:
                self._skipping = self._publish(_PUBLISH_HEADERS[first], data, body, end)
                self._skip = end - size
                return size
        return at

    def _payload_offset(self, first: int, data: bytes, at: int, end: int) -> int:
        """Where the payload of the PUBLISH begins; beyond the end of `data` it is only a lower bound.

        -1: behind more properties than are looked at.
        """
        size = len(data)
        if at + 2 > size:
            return at + 2
        at += 2 + (data[at] << 8 | data[at + 1]) + (2 if first & 0x06 else 0)
        if self._version == VERSION_5:
            if _too_many_properties(data, at, end):
                return -1
            head = properties.read_varint(data, at, size)
            at = max(at, size) + 1 if head is None else sum(head)
        return min(at, end)

    def _publish(self, flags: tuple[int, bool, bool], data: bytes, at: int, end: int) -> Publish:
        """The PUBLISH whose body is data[at:end]; a payload beyond the limit is not looked at."""
        name = at + 2
        if name > end:
            raise _short("PUBLISH")
        at = name + (data[at] << 8 | data[at + 1])
        raw = data[name:at]
        qos, retain, dup = flags
        packet_id = 0
        if qos:
            packet_id = data[at] << 8 | data[at + 1] if at + 2 <= end else 0
            if not packet_id:
                raise _no_packet_id(at + 2 > end)
            at += 2
        found = NO_PROPERTIES
        if self._version == VERSION_5:
            if at < end and not data[at]:
                at += 1
            elif end - at > LARGEST_PROPERTIES and _too_many_properties(data, at, end):
                return Publish(self._topic(raw), b"", packet_id, qos, retain, dup, found, end - at)
            else:
                found, at = properties.read(data, at, end, PUBLISH)
                if "topic_alias" in found:
                    raise ProtocolError("a topic alias, though we allow none", reason.TOPIC_ALIAS_INVALID)
        elif at > end:
            raise _short("PUBLISH")
        topic = self._topics.get(raw) or self._topic(raw)
        size = end - at
        if size > self._max_payload:
            return Publish(topic, b"", packet_id, qos, retain, dup, found, size)
        return Publish(topic, data[at:end], packet_id, qos, retain, dup, found)

    def _topic(self, raw: bytes) -> str:
        topic = properties.decode_text(raw)
        if not topic:
            raise ProtocolError("a PUBLISH without a topic", reason.PROTOCOL_ERROR)
        if "+" in topic or "#" in topic:
            raise ProtocolError("a wildcard in a topic name [MQTT-3.3.2-2]", reason.TOPIC_NAME_INVALID)
        if len(self._topics) >= TOPICS_REMEMBERED:
            self._topics.clear()
        if len(raw) <= 256:
            self._topics[raw] = topic
        return topic

    def _other(self, kind: int, data: bytes, at: int, end: int) -> Packet:
        if kind == PUBACK:
            return _puback(data, at, end, self._version)
        if kind == CONNACK:
            return _connack(data, at, end, self._version)
        if kind == PINGRESP:
            if at != end:
                raise ProtocolError("a PINGRESP with a body")
            return _PINGRESP
        if kind == DISCONNECT:
            return _disconnect(data, at, end, self._version)
        packet_id = _packet_id(data, at, end)
        at += 2
        found = NO_PROPERTIES
        if self._version == VERSION_5:
            found, at = properties.read(data, at, end, kind)
        codes = list(data[at:end])
        if kind == SUBACK:
            if not codes:
                raise _short("SUBACK")
            return Suback(packet_id, codes, found)
        if bool(codes) != (self._version == VERSION_5):
            raise ProtocolError("an UNSUBACK with the wrong number of reason codes")
        return Unsuback(packet_id, codes, found)


def _packet_id(data: bytes, at: int, end: int) -> int:
    packet_id = data[at] << 8 | data[at + 1] if at + 2 <= end else 0
    if not packet_id:
        raise _no_packet_id(at + 2 > end)
    return packet_id


def _too_many_properties(data: bytes, at: int, end: int) -> bool:
    """Whether the block that begins at `at` is known to hold more than is looked at, in a packet that may."""
    head = properties.read_varint(data, at, min(end, len(data)))
    return head is not None and LARGEST_PROPERTIES < head[0] <= end - head[1]


def _no_packet_id(short: bool) -> ProtocolError:
    if short:
        return ProtocolError("the packet ends before its packet identifier")
    return ProtocolError("a packet identifier of 0 [MQTT-2.2.1-3]", reason.PROTOCOL_ERROR)


def _code_and_properties(kind: int, data: bytes, at: int, end: int) -> tuple[int, Properties]:
    """The tail that PUBACK and DISCONNECT share: both may be left out, then code 0 is meant."""
    if at == end:
        return 0, NO_PROPERTIES
    code, at = data[at], at + 1
    if at == end:
        return code, NO_PROPERTIES
    found, at = properties.read(data, at, end, kind)
    if at != end:
        raise ProtocolError("bytes behind the properties")
    return code, found


def _puback(data: bytes, at: int, end: int, version: int) -> Puback:
    packet_id = _packet_id(data, at, end)
    if version != VERSION_5 and end - at != 2:
        raise ProtocolError("a PUBACK of the wrong length")
    return Puback(packet_id, *_code_and_properties(PUBACK, data, at + 2, end))


def _disconnect(data: bytes, at: int, end: int, version: int) -> Disconnect:
    if version != VERSION_5:
        raise ProtocolError("a DISCONNECT from a broker of MQTT 3.1.1", reason.PROTOCOL_ERROR)
    code, found = _code_and_properties(DISCONNECT, data, at, end)
    if "session_expiry_interval" in found:
        raise ProtocolError("a session expiry in a DISCONNECT [MQTT-3.14.2-2]", reason.PROTOCOL_ERROR)
    return Disconnect(code, found.get("reason_string"), found.get("server_reference"), found)


def _connack(data: bytes, at: int, end: int, version: int) -> Connack:
    if end - at < 2:
        raise _short("CONNACK")
    flags, code = data[at], data[at + 1]
    if flags > 1 or (flags and code):
        raise ProtocolError("CONNACK flags that cannot be [MQTT-3.2.2-1], [MQTT-3.2.2-6]")
    at += 2
    found = NO_PROPERTIES
    # A refusal without properties is that of a broker which does not know MQTT 5 (3.1.1 §3.2.2.3).
    if version == VERSION_5 and (at < end or not code):
        found, at = properties.read(data, at, end, CONNACK)
    elif (mapped := reason.CONNACK_3_1_1.get(code)) is None:
        raise ProtocolError(f"a CONNACK return code of {code}")
    else:
        code = mapped
    if at != end:
        raise ProtocolError("bytes behind the CONNACK")
    known = {name: value for name, value in found.items() if name in Connack.__struct_fields__}
    known["retain_available"] = bool(found.get("retain_available", True))
    # The property exists only to say 0 or 1; 2 is what its absence means (§3.2.2.3.4).
    return Connack(bool(flags), code, **known)


def _short(name: str) -> ProtocolError:
    return ProtocolError(f"a {name} that ends too early")


def _unexpected(first: int) -> ProtocolError:
    """Why no broker should send a packet that begins like this to us."""
    kind, flags = first >> 4, first & 0x0F
    if kind == PUBLISH:
        if flags >> 1 & 3 == 2:
            return ProtocolError("a PUBLISH at QoS 2, though we subscribed at 1", reason.QOS_NOT_SUPPORTED)
        return ProtocolError(f"PUBLISH flags 0x{flags:X} cannot be [MQTT-3.3.1-2], [MQTT-3.3.1-4]")
    if kind == AUTH:
        return ProtocolError("an AUTH, though we asked for no authentication exchange", reason.PROTOCOL_ERROR)
    if kind << 4 in _HEADERS:
        return ProtocolError(f"reserved flags are set: 0x{first:02X} [MQTT-2.1.3-1]")
    return ProtocolError(f"a packet of type {kind}, which no broker sends to us", reason.PROTOCOL_ERROR)
