"""Bytes of the packets a client sends. Pure; `version` is the protocol level, 5 unless told."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from struct import pack
from typing import Final

from collector.mqtt.packets import (
    CONNECT,
    DISCONNECT,
    PUBLISH,
    SUBSCRIBE,
    UNSUBSCRIBE,
    VERSION_5,
    Connect,
    Message,
)
from collector.mqtt.properties import write as write_properties
from collector.mqtt.properties import write_binary, write_text, write_varint

PINGREQ: Final = b"\xc0\x00"

_PUBACK_SUCCESS: Final = 0x4002


def _packet(first: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return bytes((first,)) + write_varint(len(body)) + body


def connect(packet: Connect, version: int = VERSION_5) -> bytes:
    """CONNECT. Receive Maximum is written even when it is the default 65535.

    Mosquitto takes its own limit of 20 messages for a client that leaves the property out.
    """
    will = packet.will
    flags = packet.clean_start << 1
    payload = [write_text(packet.client_id)]
    if will is not None:
        flags |= 0x04 | will.qos << 3 | will.retain << 5
        if version == VERSION_5:
            payload.append(write_properties({}))
        payload += write_text(will.topic), write_binary(will.payload)
    if packet.username is not None:
        flags |= 0x80
        payload.append(write_text(packet.username))
    if packet.password is not None:
        flags |= 0x40
        payload.append(write_binary(packet.password))
    head = b"\x00\x04MQTT" + bytes((version, flags)) + packet.keepalive.to_bytes(2, "big")
    if version == VERSION_5:
        head += write_properties(
            {
                "session_expiry_interval": packet.session_expiry or None,
                "receive_maximum": packet.receive_maximum,
                "maximum_packet_size": packet.maximum_packet_size,
            }
        )
    return _packet(CONNECT << 4, head, *payload)


@lru_cache(maxsize=1024)
def _ends(topic: str, content_type: str | None, version: int) -> tuple[bytes, bytes]:
    """What stands before and behind the packet id; ValueError when `topic` cannot be published to (MQTT 5 §4.7)."""
    if not topic or "+" in topic or "#" in topic:
        raise ValueError(f"{topic!r} is not a topic name")
    properties = write_properties({"content_type": content_type}) if version == VERSION_5 else b""
    return write_text(topic), properties


def publish(message: Message, packet_id: int = 0, *, dup: bool = False, version: int = VERSION_5) -> bytes:
    """PUBLISH, at QoS 1 when there is a packet id, else at QoS 0; ValueError when the topic is no topic."""
    payload = message.payload
    topic, properties = _ends(message.topic, message.content_type, version)
    first = PUBLISH << 4 | message.retain
    if packet_id:
        properties = packet_id.to_bytes(2, "big") + properties
        first |= 0x0A if dup else 0x02
    length = len(topic) + len(properties) + len(payload)
    if length < 128:
        head = bytes((first, length))
    elif length < 16384:
        head = bytes((first, length & 0x7F | 0x80, length >> 7))
    else:
        head = bytes((first,)) + write_varint(length)
    return b"".join((head, topic, properties, payload))


def pubacks(packet_ids: Iterable[int]) -> bytes:
    """A PUBACK (success) for each id, in the order given; the short form is the same in 3.1.1 and 5."""
    packets = [_PUBACK_SUCCESS << 16 | packet_id for packet_id in packet_ids]
    return pack(f">{len(packets)}I", *packets)


def subscribe(
    packet_id: int, filters: Sequence[tuple[str, int]], *, retain_handling: int = 0, version: int = VERSION_5
) -> bytes:
    """SUBSCRIBE to (filter, QoS) pairs; retain handling 0: send retained, 1: if new, 2: never (§3.8.3.1)."""
    options = retain_handling << 4 if version == VERSION_5 else 0
    return _packet(
        SUBSCRIBE << 4 | 0x02,
        packet_id.to_bytes(2, "big"),
        b"\x00" if version == VERSION_5 else b"",
        *(write_text(topic_filter) + bytes((qos | options,)) for topic_filter, qos in filters),
    )


def unsubscribe(packet_id: int, filters: Iterable[str], *, version: int = VERSION_5) -> bytes:
    return _packet(
        UNSUBSCRIBE << 4 | 0x02,
        packet_id.to_bytes(2, "big"),
        b"\x00" if version == VERSION_5 else b"",
        *map(write_text, filters),
    )


def disconnect(reason_code: int = 0, reason_string: str | None = None, *, version: int = VERSION_5) -> bytes:
    """DISCONNECT; a reason code other than 0 exists in MQTT 5 only."""
    if version != VERSION_5 or (reason_code == 0 and reason_string is None):
        return _packet(DISCONNECT << 4)
    if reason_string is None:
        return _packet(DISCONNECT << 4, bytes((reason_code,)))
    properties = write_properties({"reason_string": reason_string})
    return _packet(DISCONNECT << 4, bytes((reason_code,)), properties)
