"""The packets of MQTT as values: `encode` writes what a client sends, `decode` reads what it gets."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import msgspec

VERSION_3_1_1: Final = 4
VERSION_5: Final = 5
"""Protocol levels as CONNECT carries them."""

# Control packet types, MQTT 5 §2.1.2.
CONNECT: Final = 1
CONNACK: Final = 2
PUBLISH: Final = 3
PUBACK: Final = 4
SUBSCRIBE: Final = 8
SUBACK: Final = 9
UNSUBSCRIBE: Final = 10
UNSUBACK: Final = 11
PINGREQ: Final = 12
PINGRESP: Final = 13
DISCONNECT: Final = 14
AUTH: Final = 15

LARGEST_PACKET: Final = 5 + 268_435_455
"""Fixed header and the largest Remaining Length there is, in bytes."""

Properties = Mapping[str, Any]
NO_PROPERTIES: Final[Properties] = MappingProxyType({})


class Message(msgspec.Struct, gc=False, frozen=True):
    """What a client wants published."""

    topic: str
    payload: bytes
    retain: bool = False
    content_type: str | None = None


class Will(NamedTuple):
    """What the broker publishes for us when the connection ends without our DISCONNECT."""

    topic: str
    payload: bytes
    qos: int = 1
    retain: bool = True


class Connect(NamedTuple):
    """CONNECT, MQTT 5 §3.1. Times in seconds, sizes in bytes; None leaves a property out."""

    client_id: str
    username: str | None = None
    password: bytes | None = None
    clean_start: bool = True
    keepalive: int = 0
    will: Will | None = None
    session_expiry: int = 0
    receive_maximum: int | None = None
    maximum_packet_size: int | None = None


class Connack(msgspec.Struct, frozen=True):
    """CONNACK, MQTT 5 §3.2, with the specification's defaults for what the broker left out."""

    session_present: bool
    reason_code: int
    receive_maximum: int = 65535
    maximum_packet_size: int = LARGEST_PACKET
    maximum_qos: int = 2
    retain_available: bool = True
    server_keep_alive: int | None = None
    session_expiry_interval: int | None = None
    assigned_client_identifier: str | None = None
    reason_string: str | None = None
    server_reference: str | None = None


class Publish(msgspec.Struct, frozen=True, gc=False):
    """PUBLISH, MQTT 5 §3.3. `packet_id` is 0 at QoS 0.

    `oversize` is the length of a payload that was larger than the decoder keeps; `payload` is then empty.
    """

    topic: str
    payload: bytes
    packet_id: int = 0
    qos: int = 0
    retain: bool = False
    dup: bool = False
    properties: Properties = NO_PROPERTIES
    oversize: int = 0

    @property
    def content_type(self) -> str | None:
        value: str | None = self.properties.get("content_type")
        return value


class Puback(msgspec.Struct, frozen=True, gc=False):
    """PUBACK, MQTT 5 §3.4."""

    packet_id: int
    reason_code: int = 0
    properties: Properties = NO_PROPERTIES


class Suback(msgspec.Struct, frozen=True):
    """SUBACK, MQTT 5 §3.9: a reason code for each filter, in the order of the SUBSCRIBE."""

    packet_id: int
    reason_codes: list[int]
    properties: Properties = NO_PROPERTIES


class Unsuback(msgspec.Struct, frozen=True):
    """UNSUBACK, MQTT 5 §3.11; without codes on 3.1.1."""

    packet_id: int
    reason_codes: list[int]
    properties: Properties = NO_PROPERTIES


class Pingresp(msgspec.Struct, frozen=True):
    """PINGRESP, MQTT 5 §3.13."""


class Disconnect(msgspec.Struct, frozen=True):
    """DISCONNECT, MQTT 5 §3.14."""

    reason_code: int = 0
    reason_string: str | None = None
    server_reference: str | None = None
    properties: Properties = NO_PROPERTIES


Packet = Connack | Publish | Puback | Suback | Unsuback | Pingresp | Disconnect
"""What a broker may send to a client that speaks QoS 0 and 1 without enhanced authentication."""
