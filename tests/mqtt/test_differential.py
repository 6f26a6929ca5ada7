"""Our codec against two others: `mqtt5` in both directions, and the bytes that paho's client writes."""

import importlib.util
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.mqtt import encode
from collector.mqtt.decode import Decoder
from collector.mqtt.errors import ProtocolError
from collector.mqtt.packets import (
    VERSION_3_1_1,
    VERSION_5,
    Connack,
    Connect,
    Disconnect,
    Message,
    Packet,
    Pingresp,
    Puback,
    Publish,
    Suback,
    Unsuback,
    Will,
)
from collector.mqtt.properties import write_varint

needs_mqtt5 = pytest.mark.skipif(importlib.util.find_spec("mqtt5") is None, reason="mqtt5 is not installed")
needs_paho = pytest.mark.skipif(importlib.util.find_spec("paho") is None, reason="paho-mqtt is not installed")

LARGE = 1 << 20
TEXT = st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=20)
TOPIC = TEXT.filter(lambda text: text and not set(text) & set("+#"))
IDS = st.integers(1, 65535)
PAYLOADS = st.binary(max_size=300)
MAYBE_TEXT = st.none() | TEXT
PAIRS = st.lists(st.tuples(TEXT, TEXT), max_size=2)


def ours(data: bytes, version: int = VERSION_5) -> Packet:
    (packet,) = Decoder(maximum_packet_size=LARGE, max_payload=LARGE, version=version).feed(data)
    return packet


def theirs(data: bytes) -> Any:
    import mqtt5

    packet, length = mqtt5.read(memoryview(data))
    assert length == len(data)
    return packet


# What we write, mqtt5 reads.


@needs_mqtt5
@given(
    st.builds(
        Connect,
        client_id=TEXT,
        username=MAYBE_TEXT,
        password=st.none() | st.binary(max_size=20),
        clean_start=st.booleans(),
        keepalive=st.integers(0, 65535),
        will=st.none() | st.builds(Will, TOPIC, PAYLOADS, st.integers(0, 1), st.booleans()),
        session_expiry=st.integers(0, 2**32 - 1),
        receive_maximum=st.none() | IDS,
        maximum_packet_size=st.none() | st.integers(1, 2**32 - 1),
    )
)
def test_our_connect(packet: Connect) -> None:
    found = theirs(encode.connect(packet))
    assert (found.client_id, found.username, found.password) == packet[:3]
    assert (found.clean_start, found.keep_alive) == (packet.clean_start, packet.keepalive)
    assert found.session_expiry_interval == packet.session_expiry
    assert found.receive_max == (packet.receive_maximum or 65535)
    assert found.max_packet_size == packet.maximum_packet_size
    assert (found.will is None) == (packet.will is None)
    if packet.will is not None:
        will = found.will
        assert (will.topic, will.payload or b"", will.qos, will.retain) == packet.will


@needs_mqtt5
@given(st.builds(Message, TOPIC, PAYLOADS, st.booleans(), MAYBE_TEXT), st.just(0) | IDS, st.booleans())
def test_our_publish(message: Message, packet_id: int, dup: bool) -> None:
    found = theirs(encode.publish(message, packet_id, dup=dup))
    assert Message(found.topic, found.payload, found.retain, found.content_type) == message
    assert (found.packet_id or 0, found.qos, found.duplicate) == (packet_id, packet_id > 0, packet_id > 0 and dup)


@needs_mqtt5
@given(IDS, st.lists(st.tuples(TEXT.filter(bool), st.integers(0, 1)), min_size=1, max_size=4), st.integers(0, 2))
def test_our_subscribe(packet_id: int, filters: list[tuple[str, int]], retain_handling: int) -> None:
    found = theirs(encode.subscribe(packet_id, filters, retain_handling=retain_handling))
    assert found.packet_id == packet_id
    assert [(each.pattern, each.max_qos) for each in found.topic_filters] == filters
    assert all(each.retain_handling == retain_handling for each in found.topic_filters)
    found = theirs(encode.unsubscribe(packet_id, [text for text, _ in filters]))
    assert (found.packet_id, found.patterns) == (packet_id, [text for text, _ in filters])


@needs_mqtt5
@given(IDS, MAYBE_TEXT)
def test_our_small_packets(packet_id: int, text: str | None) -> None:
    assert theirs(encode.pubacks([packet_id])).packet_id == packet_id
    assert type(theirs(encode.PINGREQ)).__name__ == "PingReqPacket"
    found = theirs(encode.disconnect(0x04, text))
    assert (found.reason_code, found.reason_str) == (0x04, text)
    assert theirs(encode.disconnect()).reason_code == 0


# What mqtt5 writes, we read.


def codes(kind: type) -> list[Any]:
    """All members of one of mqtt5's enumerations, which cannot be iterated over."""
    return [member for member in vars(kind).values() if isinstance(member, kind)]


@needs_mqtt5
@given(TOPIC, PAYLOADS, st.booleans(), st.just(0) | IDS, MAYBE_TEXT, PAIRS, st.lists(st.integers(1, 9000), max_size=2))
def test_their_publish(
    topic: str,
    payload: bytes,
    retain: bool,
    packet_id: int,
    content_type: str | None,
    pairs: list[tuple[str, str]],
    subscriptions: list[int],
) -> None:
    import mqtt5

    written = mqtt5.PublishPacket(
        topic,
        payload,
        qos=mqtt5.QoS(packet_id > 0),
        retain=retain,
        packet_id=packet_id or None,
        content_type=content_type,
        user_properties=pairs,
        subscription_ids=subscriptions,
    ).write()
    found = ours(written)
    assert isinstance(found, Publish)
    assert (found.topic, found.payload, found.retain, found.packet_id) == (topic, payload, retain, packet_id)
    assert found.content_type == content_type
    assert found.properties.get("user_property", []) == pairs
    assert found.properties.get("subscription_identifier", []) == subscriptions


@needs_mqtt5
@given(st.booleans(), IDS, st.none() | st.integers(1, 2**32 - 1), st.none() | IDS, MAYBE_TEXT, st.integers(0, 2), PAIRS)
def test_their_connack(
    session_present: bool,
    receive_maximum: int,
    packet_size: int | None,
    keep_alive: int | None,
    client_id: str | None,
    maximum_qos: int,
    pairs: list[tuple[str, str]],
) -> None:
    import mqtt5

    found = ours(
        mqtt5.ConnAckPacket(
            session_present=session_present,
            receive_max=receive_maximum,
            max_packet_size=packet_size,
            server_keep_alive=keep_alive,
            assigned_client_id=client_id,
            max_qos=mqtt5.QoS(maximum_qos),
            user_properties=pairs,
        ).write()
    )
    assert isinstance(found, Connack)
    assert (found.session_present, found.receive_maximum) == (session_present, receive_maximum)
    assert found.maximum_packet_size == packet_size or packet_size is None
    assert (found.server_keep_alive, found.assigned_client_identifier) == (keep_alive, client_id)
    assert found.maximum_qos == maximum_qos


@needs_mqtt5
@given(IDS, MAYBE_TEXT, PAIRS)
def test_their_acknowledgements(packet_id: int, text: str | None, pairs: list[tuple[str, str]]) -> None:
    import mqtt5

    for code in codes(mqtt5.PubAckReasonCode):
        puback = ours(mqtt5.PubAckPacket(packet_id, reason_code=code, reason_str=text, user_properties=pairs).write())
        assert isinstance(puback, Puback)
        assert (puback.packet_id, puback.reason_code) == (packet_id, code)
        assert puback.properties.get("reason_string") == text
    subacks = codes(mqtt5.SubAckReasonCode)
    suback = ours(mqtt5.SubAckPacket(packet_id, subacks, reason_str=text, user_properties=pairs).write())
    assert isinstance(suback, Suback)
    assert (suback.packet_id, suback.reason_codes) == (packet_id, subacks)
    unsubacks = codes(mqtt5.UnsubAckReasonCode)
    unsuback = ours(mqtt5.UnsubAckPacket(packet_id, unsubacks, reason_str=text, user_properties=pairs).write())
    assert isinstance(unsuback, Unsuback)
    assert (unsuback.packet_id, unsuback.reason_codes) == (packet_id, unsubacks)
    for code in codes(mqtt5.DisconnectReasonCode):
        disconnect = ours(mqtt5.DisconnectPacket(reason_code=code, reason_str=text, user_properties=pairs).write())
        assert isinstance(disconnect, Disconnect)
        assert (disconnect.reason_code, disconnect.reason_string) == (code, text)
    assert ours(mqtt5.PingRespPacket().write()) == Pingresp()


@needs_mqtt5
@settings(max_examples=1000)
@given(st.sampled_from([0x20, 0x30, 0x31, 0x32, 0x3A, 0x40, 0x90, 0xB0, 0xD0, 0xE0]), st.binary(max_size=16))
def test_what_we_accept_mqtt5_reads_alike(first: int, body: bytes) -> None:
    data = bytes((first,)) + write_varint(len(body)) + body
    try:
        found = ours(data)
    except ProtocolError:
        return
    try:
        other = theirs(data)
    except (ValueError, IndexError):
        # mqtt5 is stricter about reason codes that the specification does not list.
        return
    if isinstance(found, Publish):
        assert (found.topic, found.payload, found.packet_id) == (other.topic, other.payload, other.packet_id or 0)
    elif isinstance(found, Puback):
        assert (found.packet_id, found.reason_code) == (other.packet_id, other.reason_code)
    elif isinstance(found, Suback | Unsuback):
        assert (found.packet_id, found.reason_codes) == (other.packet_id, other.reason_codes)
    elif isinstance(found, Connack | Disconnect):
        assert found.reason_code == other.reason_code


# paho's client, caught as it writes to its socket.


class Wire:
    """Stands in for paho's socket and keeps what the client sends."""

    def __init__(self) -> None:
        self.sent = b""

    def send(self, data: bytes) -> int:
        self.sent += data
        return len(data)

    def fileno(self) -> int:
        return -1

    def close(self) -> None:
        pass


def paho(version: int) -> tuple[Any, Wire]:
    from paho.mqtt.client import Client
    from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

    protocol = MQTTProtocolVersion.MQTTv5 if version == VERSION_5 else MQTTProtocolVersion.MQTTv311
    extra = {} if version == VERSION_5 else {"clean_session": False}
    client = Client(CallbackAPIVersion.VERSION2, client_id="me", protocol=protocol, **extra)
    wire = Wire()
    client._sock = wire
    return client, wire


def written(client: Any, wire: Wire) -> bytes:
    client.loop_write()
    data, wire.sent = wire.sent, b""
    return data


@needs_paho
@pytest.mark.parametrize("version", [VERSION_3_1_1, VERSION_5])
def test_paho_writes_the_same_connect(version: int) -> None:
    from paho.mqtt.packettypes import PacketTypes
    from paho.mqtt.properties import Properties

    client, wire = paho(version)
    client.username_pw_set("user", "secret")
    client.will_set("state/me", b"gone", qos=1, retain=True)
    if version == VERSION_5:
        client._clean_start = False
        client._connect_properties = Properties(PacketTypes.CONNECT)
        client._connect_properties.SessionExpiryInterval = 3600
        client._connect_properties.ReceiveMaximum = 1000
        client._connect_properties.MaximumPacketSize = 65536
    client._send_connect(60)
    packet = Connect(
        "me",
        "user",
        b"secret",
        clean_start=False,
        keepalive=60,
        will=Will("state/me", b"gone", 1, True),
        session_expiry=3600,
        receive_maximum=1000,
        maximum_packet_size=65536,
    )
    assert written(client, wire) == encode.connect(packet, version)


@needs_paho
@pytest.mark.parametrize("version", [VERSION_3_1_1, VERSION_5])
@pytest.mark.parametrize("size", [0, 10, 127, 128, 20_000])
@pytest.mark.parametrize("packet_id", [0, 513])
def test_paho_writes_the_same_publish(version: int, size: int, packet_id: int) -> None:
    from paho.mqtt.client import MQTTMessageInfo
    from paho.mqtt.packettypes import PacketTypes
    from paho.mqtt.properties import Properties

    client, wire = paho(version)
    extra = None
    if version == VERSION_5:
        extra = Properties(PacketTypes.PUBLISH)
        extra.ContentType = "application/json"
    message = Message("töpic/a", bytes(size), True, "application/json")
    info = MQTTMessageInfo(packet_id)
    client._send_publish(packet_id, "töpic/a".encode(), message.payload, packet_id > 0, True, False, info, extra)
    assert written(client, wire) == encode.publish(message, packet_id, version=version)


@needs_paho
@pytest.mark.parametrize("version", [VERSION_3_1_1, VERSION_5])
def test_paho_writes_the_same_rest(version: int) -> None:
    from paho.mqtt.packettypes import PacketTypes
    from paho.mqtt.properties import Properties
    from paho.mqtt.subscribeoptions import SubscribeOptions

    client, wire = paho(version)
    if version == VERSION_5:
        # paho leaves out an empty property block of SUBSCRIBE's unless it is given one.
        client._send_subscribe(
            False,
            [(b"a/+", SubscribeOptions(qos=1, retainHandling=1)), (b"b/#", SubscribeOptions(qos=0, retainHandling=1))],
            Properties(PacketTypes.SUBSCRIBE),
        )
    else:
        client._send_subscribe(False, [(b"a/+", 1), (b"b/#", 0)])
    filters = [("a/+", 1), ("b/#", 0)]
    assert written(client, wire) == encode.subscribe(1, filters, retain_handling=1, version=version)
    client._send_unsubscribe(False, [b"a/+"], Properties(PacketTypes.UNSUBSCRIBE) if version == VERSION_5 else None)
    assert written(client, wire) == encode.unsubscribe(2, ["a/+"], version=version)
    client._send_puback(513)
    assert written(client, wire) == encode.pubacks([513])
    client._send_pingreq()
    assert written(client, wire) == encode.PINGREQ
    client._send_disconnect()
    assert written(client, wire) == encode.disconnect(version=version)
