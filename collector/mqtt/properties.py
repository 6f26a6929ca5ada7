"""Properties and the primitive types they are made of, MQTT 5 §2.2.2 and §1.5."""

from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final, Literal, NamedTuple

from collector.mqtt.errors import ProtocolError
from collector.mqtt.packets import (
    AUTH,
    CONNACK,
    CONNECT,
    DISCONNECT,
    NO_PROPERTIES,
    PUBACK,
    PUBLISH,
    SUBACK,
    SUBSCRIBE,
    UNSUBACK,
    UNSUBSCRIBE,
    Properties,
)
from collector.mqtt.reason import PROTOCOL_ERROR

WILL: Final = 0
"""Stands for the Will Properties inside CONNECT, which have their own list of what is allowed."""

REMEMBERED: Final = 512
"""How many property blocks of less than 128 bytes are kept parsed: most messages carry the same ones."""

Type = Literal["flag", "byte", "u16", "u32", "varint", "text", "topic", "binary", "pair"]


class Property(NamedTuple):
    name: str
    type: Type
    packets: frozenset[int]
    zero: bool = True
    """Whether 0 is a legal value."""


_ACKS = (PUBACK, SUBACK, UNSUBACK)
_EVERYWHERE = (CONNECT, CONNACK, PUBLISH, WILL, *_ACKS, SUBSCRIBE, UNSUBSCRIBE, DISCONNECT, AUTH)


def _property(name: str, type_: Type, *packets: int, zero: bool = True) -> Property:
    return Property(name, type_, frozenset(packets), zero)


BY_ID: Final = {
    0x01: _property("payload_format_indicator", "flag", PUBLISH, WILL),
    0x02: _property("message_expiry_interval", "u32", PUBLISH, WILL),
    0x03: _property("content_type", "text", PUBLISH, WILL),
    0x08: _property("response_topic", "topic", PUBLISH, WILL),
    0x09: _property("correlation_data", "binary", PUBLISH, WILL),
    0x0B: _property("subscription_identifier", "varint", PUBLISH, SUBSCRIBE, zero=False),
    0x11: _property("session_expiry_interval", "u32", CONNECT, CONNACK, DISCONNECT),
    0x12: _property("assigned_client_identifier", "text", CONNACK),
    0x13: _property("server_keep_alive", "u16", CONNACK),
    0x15: _property("authentication_method", "text", CONNECT, CONNACK, AUTH),
    0x16: _property("authentication_data", "binary", CONNECT, CONNACK, AUTH),
    0x17: _property("request_problem_information", "flag", CONNECT),
    0x18: _property("will_delay_interval", "u32", WILL),
    0x19: _property("request_response_information", "flag", CONNECT),
    0x1A: _property("response_information", "text", CONNACK),
    0x1C: _property("server_reference", "text", CONNACK, DISCONNECT),
    0x1F: _property("reason_string", "text", CONNACK, *_ACKS, DISCONNECT, AUTH),
    0x21: _property("receive_maximum", "u16", CONNECT, CONNACK, zero=False),
    0x22: _property("topic_alias_maximum", "u16", CONNECT, CONNACK),
    0x23: _property("topic_alias", "u16", PUBLISH, zero=False),
    0x24: _property("maximum_qos", "flag", CONNACK),
    0x25: _property("retain_available", "flag", CONNACK),
    0x26: _property("user_property", "pair", *_EVERYWHERE),
    0x27: _property("maximum_packet_size", "u32", CONNECT, CONNACK, zero=False),
    0x28: _property("wildcard_subscription_available", "flag", CONNACK),
    0x29: _property("subscription_identifier_available", "flag", CONNACK),
    0x2A: _property("shared_subscription_available", "flag", CONNACK),
}
"""MQTT 5 §2.2.2.2 table 2-4."""

_IDS = {property_.name: identifier for identifier, property_ in BY_ID.items()}
_WIDTHS = {"flag": 1, "byte": 1, "u16": 2, "u32": 4}


def read_varint(data: bytes, at: int, end: int) -> tuple[int, int] | None:
    """A Variable Byte Integer and the offset behind it; None when `data` ends first (MQTT 5 §1.5.5)."""
    value = 0
    for place in range(4):
        if at >= end:
            return None
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            if byte == 0 and place:
                raise ProtocolError("a variable byte integer is longer than it need be [MQTT-1.5.5-1]")
            return value, at
    raise ProtocolError("a variable byte integer of more than four bytes")


def write_varint(value: int) -> bytes:
    """The shortest encoding; `value` is at most 268,435,455."""
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def decode_text(raw: bytes) -> str:
    """A UTF-8 Encoded String without its length (MQTT 5 §1.5.4)."""
    try:
        text = str(raw, "utf-8")
    except UnicodeDecodeError:
        raise ProtocolError("a string is not UTF-8 [MQTT-1.5.4-1]") from None
    if "\0" in text:
        raise ProtocolError("a string holds U+0000 [MQTT-1.5.4-2]")
    return text


def write_binary(value: bytes) -> bytes:
    """Two bytes of length, then the data; ValueError beyond 65,535 bytes (MQTT 5 §1.5.6)."""
    if len(value) > 0xFFFF:
        raise ValueError(f"{len(value)} bytes are too long for an MQTT string (65535 at most)")
    return len(value).to_bytes(2, "big") + value


def write_text(value: str) -> bytes:
    """ValueError when `value` has no MQTT encoding: U+0000, lone surrogates, more than 65,535 bytes."""
    if "\0" in value:
        raise ValueError("an MQTT string cannot hold U+0000")
    return write_binary(value.encode())


def read(data: bytes, at: int, end: int, packet: int) -> tuple[Properties, int]:
    """The property block that begins at `at` with its length, and the offset behind it."""
    head = read_varint(data, at, end) if at >= end or data[at] > 0x7F else (data[at], at + 1)
    if head is None:
        raise ProtocolError("the packet ends before its properties")
    length, start = head
    if not length:
        return NO_PROPERTIES, start
    stop = start + length
    if stop > end:
        raise ProtocolError("the properties reach beyond their packet")
    return (_remembered if length < 128 else parse)(data[start:stop], packet), stop


def parse(block: bytes, packet: int) -> Properties:
    """A property block without its length. `user_property` and `subscription_identifier` come as lists."""
    found: dict[str, Any] = {}
    at, end = 0, len(block)
    while at < end:
        # Identifiers are variable byte integers, but all that exist fit one byte.
        known = BY_ID.get(block[at])
        if known is None or packet not in known.packets:
            raise ProtocolError(f"property 0x{block[at]:02X} does not belong into this packet")
        value, at = _read_value(block, at + 1, end, known)
        if known.type == "pair" or (known.name == "subscription_identifier" and packet == PUBLISH):
            found.setdefault(known.name, []).append(value)
        elif known.name in found:
            raise ProtocolError(f"{known.name} stands twice in one packet", PROTOCOL_ERROR)
        else:
            found[known.name] = value
    return MappingProxyType(found)


_remembered = lru_cache(maxsize=REMEMBERED)(parse)


def _read_value(block: bytes, at: int, end: int, known: Property) -> tuple[Any, int]:
    value: Any
    if width := _WIDTHS.get(known.type):
        if at + width > end:
            raise ProtocolError(f"{known.name} is cut off")
        value, at = int.from_bytes(block[at : at + width], "big"), at + width
        if known.type == "flag" and value > 1:
            raise ProtocolError(f"{known.name} is {value}, not 0 or 1", PROTOCOL_ERROR)
    elif known.type == "varint":
        number = read_varint(block, at, end)
        if number is None:
            raise ProtocolError(f"{known.name} is cut off")
        value, at = number
    elif known.type == "pair":
        key, at = _read_binary(block, at, end, known)
        text, at = _read_binary(block, at, end, known)
        value = (decode_text(key), decode_text(text))
    else:
        raw, at = _read_binary(block, at, end, known)
        value = raw if known.type == "binary" else decode_text(raw)
        if known.type == "topic" and (not value or "+" in value or "#" in value):
            raise ProtocolError(f"{known.name} is not a topic name [MQTT-3.3.2-14]", PROTOCOL_ERROR)
    if value == 0 and not known.zero:
        raise ProtocolError(f"{known.name} is 0", PROTOCOL_ERROR)
    return value, at


def _read_binary(block: bytes, at: int, end: int, known: Property) -> tuple[bytes, int]:
    start = at + 2
    stop = start + int.from_bytes(block[at:start], "big")
    if start > end or stop > end:
        raise ProtocolError(f"{known.name} is cut off")
    return block[start:stop], stop


def write(values: Properties) -> bytes:
    """A property block with its length; values of None are left out."""
    block = b"".join(_write_value(name, value) for name, value in values.items() if value is not None)
    return write_varint(len(block)) + block


def _write_value(name: str, value: Any) -> bytes:
    identifier = _IDS[name]
    known = BY_ID[identifier]
    head = bytes((identifier,))
    if width := _WIDTHS.get(known.type):
        return head + int(value).to_bytes(width, "big")
    if known.type == "varint":
        return head + write_varint(value)
    if known.type == "pair":
        return b"".join(head + write_text(key) + write_text(text) for key, text in value)
    return head + (write_binary(value) if known.type == "binary" else write_text(value))
