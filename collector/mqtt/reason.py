"""MQTT 5 reason codes, §2.4 table 2-6: what each is called, and what follows from it."""

from typing import Final, Literal, NamedTuple

SUCCESS: Final = 0x00
DISCONNECT_WITH_WILL: Final = 0x04
NO_MATCHING_SUBSCRIBERS: Final = 0x10
FAILURE: Final = 0x80
"""From here on a code says no."""
MALFORMED_PACKET: Final = 0x81
PROTOCOL_ERROR: Final = 0x82
UNSUPPORTED_PROTOCOL_VERSION: Final = 0x84
NOT_AUTHORIZED: Final = 0x87
SESSION_TAKEN_OVER: Final = 0x8E
TOPIC_NAME_INVALID: Final = 0x90
TOPIC_ALIAS_INVALID: Final = 0x94
PACKET_TOO_LARGE: Final = 0x95
RETAIN_NOT_SUPPORTED: Final = 0x9A
QOS_NOT_SUPPORTED: Final = 0x9B

Message = Literal["taken", "dead", "too large", "hold", "retry"]
"""Of a message: what its reason code makes of it. `too large`: perhaps in halves; what cannot be halved is dead."""

Connection = Literal["hold", "slow", "retry"]
"""Of a connection: `hold` until somebody acts, `slow`: not before SLOW, `retry` as soon as the back-off allows."""

SLOW: Final = 30.0
"""Seconds after which a broker that has too much to do, or has another client of our id, is asked again."""


class Code(NamedTuple):
    name: str
    message: Message = "retry"
    """When a PUBACK carries it, or we refuse in the broker's place."""
    connection: Connection = "retry"
    """When a CONNACK or a DISCONNECT carries it."""


CODES: Final = {
    0x00: Code("Success", "taken"),
    0x01: Code("Granted QoS 1"),
    0x02: Code("Granted QoS 2"),
    0x04: Code("Disconnect with Will Message"),
    # The broker's word is all that QoS 1 gives (§3.4.2.1).
    0x10: Code("No matching subscribers", "taken"),
    0x11: Code("No subscription existed"),
    0x18: Code("Continue authentication"),
    0x19: Code("Re-authenticate"),
    0x80: Code("Unspecified error"),
    0x81: Code("Malformed Packet", "retry", "slow"),
    0x82: Code("Protocol Error", "retry", "slow"),
    0x83: Code("Implementation specific error"),
    0x84: Code("Unsupported Protocol Version", "hold", "hold"),
    0x85: Code("Client Identifier not valid", "hold", "hold"),
    0x86: Code("Bad User Name or Password", "hold", "hold"),
    0x87: Code("Not authorized", "hold", "hold"),
    0x88: Code("Server unavailable"),
    0x89: Code("Server busy", "retry", "slow"),
    0x8A: Code("Banned", "hold", "hold"),
    0x8B: Code("Server shutting down"),
    0x8C: Code("Bad authentication method", "hold", "hold"),
    0x8D: Code("Keep Alive timeout"),
    0x8E: Code("Session taken over", "retry", "slow"),
    0x8F: Code("Topic Filter invalid", "hold", "hold"),
    0x90: Code("Topic Name invalid", "dead", "hold"),
    0x91: Code("Packet Identifier in use"),
    0x92: Code("Packet Identifier not found"),
    0x93: Code("Receive Maximum exceeded", "retry", "slow"),
    0x94: Code("Topic Alias invalid", "retry", "slow"),
    0x95: Code("Packet too large", "too large", "slow"),
    0x96: Code("Message rate too high", "retry", "slow"),
    0x97: Code("Quota exceeded", "retry", "slow"),
    0x98: Code("Administrative action", "retry", "slow"),
    # One reading of a batch may be to blame; halving finds it.
    0x99: Code("Payload format invalid", "too large", "hold"),
    0x9A: Code("Retain not supported", "hold", "hold"),
    0x9B: Code("QoS not supported", "hold", "hold"),
    0x9C: Code("Use another server", "retry", "slow"),
    0x9D: Code("Server moved", "hold", "hold"),
    0x9E: Code("Shared Subscriptions not supported", "hold", "hold"),
    0x9F: Code("Connection rate exceeded", "retry", "slow"),
    0xA0: Code("Maximum connect time"),
    0xA1: Code("Subscription Identifiers not supported", "hold", "hold"),
    0xA2: Code("Wildcard Subscriptions not supported", "hold", "hold"),
}

_UNKNOWN: Final = Code("Unknown reason")
"""Somebody's own, or newer than this table: nothing is given up for it."""

CONNACK_3_1_1: Final = {0: 0x00, 1: 0x84, 2: 0x85, 3: 0x88, 4: 0x86, 5: 0x87}
"""CONNACK return codes of MQTT 3.1.1 §3.2.2.3 as the reason codes that mean the same."""


def of_message(code: int | None) -> Message:
    """None: the connection ended before the broker had said anything."""
    return "retry" if code is None else CODES.get(code, _UNKNOWN).message


def of_connection(code: int | None) -> Connection:
    return "retry" if code is None else CODES.get(code, _UNKNOWN).connection


def describe(code: int) -> str:
    """`Session taken over (0x8E)`."""
    return f"{CODES.get(code, _UNKNOWN).name} (0x{code:02X})"
