"""The codec by itself: round trips, any split of the stream, garbage, and bounded memory."""

import itertools
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.mqtt import encode, properties, reason
from collector.mqtt.decode import Decoder
from collector.mqtt.errors import ProtocolError
from collector.mqtt.packets import (
    CONNACK,
    PUBLISH,
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
)

LIMIT = 1000
PAYLOAD = 200

CONNACK_OK = b"\x20\x03\x00\x00\x00"
PINGRESP = b"\xd0\x00"

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
TOPIC = TEXT.filter(lambda text: text and not set(text) & set("+#"))
IDS = st.integers(1, 65535)
MESSAGES = st.builds(Message, TOPIC, st.binary(max_size=300), st.booleans(), st.none() | TEXT)
BLOCKS = st.fixed_dictionaries(
    {},
    optional={
        "payload_format_indicator": st.integers(0, 1),
        "message_expiry_interval": st.integers(0, 2**32 - 1),
        "content_type": TEXT,
        "response_topic": TOPIC,
        "correlation_data": st.binary(max_size=20),
        "user_property": st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=3),
    },
)


def decoder(version: int = VERSION_5) -> Decoder:
    return Decoder(maximum_packet_size=LIMIT, max_payload=PAYLOAD, version=version)


def decode(data: bytes, version: int = VERSION_5) -> list[Packet]:
    return decoder(version).feed(data)


def packet(first: int, *body: bytes) -> bytes:
    joined = b"".join(body)
    return bytes((first,)) + properties.write_varint(len(joined)) + joined


def drain(chunks: Iterable[bytes], version: int = VERSION_5) -> tuple[list[Packet], str | None]:
    """What comes out of a stream cut into `chunks`, and the error that ended it."""
    reader = decoder(version)
    packets: list[Packet] = []
    for chunk in chunks:
        try:
            packets += reader.feed(chunk)
        except ProtocolError as error:
            return packets + error.before, str(error)
        assert reader.buffered <= LIMIT
    return packets, None


def cut(stream: bytes, places: Iterable[int]) -> list[bytes]:
    edges = [0, *sorted(min(place, len(stream)) for place in places), len(stream)]
    return [stream[start:end] for start, end in itertools.pairwise(edges)]


SOUND = st.one_of(
    st.sampled_from([CONNACK_OK, PINGRESP, packet(0xE0), packet(0xE0, b"\x8e"), packet(0xB0, b"\0\7\0\0\x11")]),
    st.builds(encode.publish, MESSAGES, st.just(0) | IDS),
    st.builds(lambda packet_id: encode.pubacks([packet_id]), IDS),
    st.builds(
        lambda packet_id, code: packet(0x40, packet_id.to_bytes(2, "big"), bytes((code, 0))), IDS, st.integers(0, 255)
    ),
    st.builds(
        lambda packet_id, codes: packet(0x90, packet_id.to_bytes(2, "big"), b"\0", codes),
        IDS,
        st.binary(min_size=1, max_size=4),
    ),
    st.builds(
        lambda topic, block, payload: packet(0x30, properties.write_text(topic), properties.write(block), payload),
        TOPIC,
        BLOCKS,
        st.binary(max_size=400),
    ),
)


@given(st.lists(SOUND, max_size=8), st.lists(st.integers(0, 3000), max_size=12))
def test_every_split_of_a_sound_stream_gives_the_same_packets(stream: list[bytes], places: list[int]) -> None:
    joined = b"".join(stream)
    whole = drain([joined])
    assert len(whole[0]) == len(stream) or whole[1]
    assert drain(cut(joined, places)) == whole
    assert drain(bytes((byte,)) for byte in joined) == whole


@settings(max_examples=500)
@given(
    st.lists(st.one_of(SOUND, st.binary(max_size=30)), max_size=6),
    st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), max_size=4),
    st.lists(st.integers(0, 2000), max_size=8),
    st.sampled_from([VERSION_5, VERSION_3_1_1]),
)
def test_garbage_raises_nothing_but_protocol_errors_and_the_same_at_every_split(
    stream: list[bytes], damage: list[tuple[int, int]], places: list[int], version: int
) -> None:
    joined = bytearray(b"".join(stream))
    for place, byte in damage:
        if joined:
            joined[place % len(joined)] = byte
    whole = drain([bytes(joined)], version)
    assert drain(cut(bytes(joined), places), version) == whole
    assert drain((bytes((byte,)) for byte in joined), version) == whole


def test_an_error_keeps_the_packets_ahead_of_it_and_is_final() -> None:
    reader = decoder()
    with pytest.raises(ProtocolError) as caught:
        reader.feed(CONNACK_OK + PINGRESP + b"\x00\x00")
    assert [type(found) for found in caught.value.before] == [Connack, Pingresp]
    with pytest.raises(ProtocolError, match=str(caught.value)) as again:
        reader.feed(PINGRESP)
    assert again.value.before == []


@given(MESSAGES, st.just(0) | IDS, st.booleans(), st.sampled_from([VERSION_5, VERSION_3_1_1]))
def test_publish_round_trip(message: Message, packet_id: int, dup: bool, version: int) -> None:
    (found,) = decode(encode.publish(message, packet_id, dup=dup, version=version), version)
    assert isinstance(found, Publish)
    fits = len(message.payload) <= PAYLOAD
    assert found.topic == message.topic
    assert found.payload == (message.payload if fits else b"")
    assert found.oversize == (0 if fits else len(message.payload))
    assert (found.packet_id, found.qos, found.retain) == (packet_id, bool(packet_id), message.retain)
    assert found.dup == (dup and packet_id > 0)
    assert found.content_type == (message.content_type if version == VERSION_5 else None)


@given(BLOCKS)
def test_property_round_trip(block: dict[str, object]) -> None:
    written = properties.write(block)
    assert properties.read(written, 0, len(written), PUBLISH) == (block, len(written))


@given(st.integers(0, 268_435_455))
def test_varint_round_trip(value: int) -> None:
    written = properties.write_varint(value)
    assert properties.read_varint(written, 0, len(written)) == (value, len(written))


@pytest.mark.parametrize(
    ("value", "written"),
    # MQTT 5 §1.5.5, table 1-1.
    [(0, "00"), (127, "7f"), (128, "8001"), (16_383, "ff7f"), (16_384, "808001"), (268_435_455, "ffffff7f")],
)
def test_varint_vectors(value: int, written: str) -> None:
    assert properties.write_varint(value).hex() == written


@given(st.lists(IDS, max_size=20))
def test_pubacks_keep_their_order(packet_ids: list[int]) -> None:
    assert decode(encode.pubacks(packet_ids)) == [Puback(packet_id) for packet_id in packet_ids]


def test_connack() -> None:
    block = {
        "session_expiry_interval": 60,
        "receive_maximum": 10,
        "maximum_qos": 1,
        "retain_available": 0,
        "maximum_packet_size": 256,
        "assigned_client_identifier": "you",
        "server_keep_alive": 30,
        "reason_string": "why",
        "topic_alias_maximum": 10,
    }
    assert decode(packet(0x20, b"\1\0", properties.write(block))) == [
        Connack(
            session_present=True,
            reason_code=0,
            receive_maximum=10,
            maximum_packet_size=256,
            maximum_qos=1,
            retain_available=False,
            server_keep_alive=30,
            session_expiry_interval=60,
            assigned_client_identifier="you",
            reason_string="why",
        )
    ]


def test_the_return_codes_of_3_1_1_become_reason_codes() -> None:
    assert decode(b"\x20\x02\x00\x05", VERSION_3_1_1) == [Connack(False, reason.NOT_AUTHORIZED)]


def test_acknowledgements() -> None:
    assert decode(packet(0x40, b"\0\1\x87")) == [Puback(1, reason.NOT_AUTHORIZED)]
    block = properties.write({"reason_string": "no", "user_property": [("a", "b"), ("a", "c")]})
    found = {"reason_string": "no", "user_property": [("a", "b"), ("a", "c")]}
    assert decode(packet(0x40, b"\0\1\x87", block)) == [Puback(1, reason.NOT_AUTHORIZED, found)]
    assert decode(packet(0x90, b"\0\1\0\1\x80")) == [Suback(1, [1, 0x80])]
    assert decode(packet(0x90, b"\0\1\1\x80"), VERSION_3_1_1) == [Suback(1, [1, 0x80])]
    assert decode(packet(0xB0, b"\0\1\0\x11")) == [Unsuback(1, [0x11])]
    assert decode(packet(0xB0, b"\0\1"), VERSION_3_1_1) == [Unsuback(1, [])]


def test_disconnect() -> None:
    assert decode(packet(0xE0)) == [Disconnect()]
    assert decode(encode.disconnect(0x8E)) == [Disconnect(0x8E)]
    (found,) = decode(encode.disconnect(0x8E, "a second of you"))
    assert isinstance(found, Disconnect)
    assert found.reason_string == "a second of you"


def test_receive_maximum_is_written_even_when_it_is_the_default() -> None:
    assert b"\x21\xff\xff" in encode.connect(Connect("id", receive_maximum=65535))


PUBLISH_TOPIC = b"\0\1t"

MALFORMED = {
    "type 0": b"\x00\x00",
    "CONNECT from a broker": b"\x10\x00",
    "SUBSCRIBE from a broker": b"\x82\x00",
    "PINGREQ from a broker": b"\xc0\x00",
    "PUBREC": b"\x50\x02\0\1",
    "PUBREL": b"\x62\x02\0\1",
    "AUTH": b"\xf0\x00",
    "reserved flags of CONNACK": b"\x21\x03\0\0\0",
    "reserved flags of PUBACK": b"\x42\x02\0\1",
    "QoS 2": packet(0x34, PUBLISH_TOPIC, b"\0\1\0"),
    "QoS 3": packet(0x36, PUBLISH_TOPIC, b"\0\1\0"),
    "DUP at QoS 0": packet(0x38, PUBLISH_TOPIC, b"\0"),
    "varint of five bytes": b"\xd0\x80\x80\x80\x80\x01",
    "varint with a needless byte": b"\xd0\x80\x00",
    "packet beyond the maximum": packet(0x30, PUBLISH_TOPIC, b"\0", bytes(LIMIT)),
    "CONNACK without reason code": packet(0x20, b"\0"),
    "CONNACK without properties": packet(0x20, b"\0\0"),
    "CONNACK flags": packet(0x20, b"\2\0\0"),
    "session present in a refusal": packet(0x20, b"\1\x87\0"),
    "bytes behind the CONNACK": packet(0x20, b"\0\0\0\0"),
    "Receive Maximum 0": packet(0x20, b"\0\0\3\x21\0\0"),
    "Maximum Packet Size 0": packet(0x20, b"\0\0\5\x27\0\0\0\0"),
    "Maximum QoS 2": packet(0x20, b"\0\0\2\x24\2"),
    "property that does not exist": packet(0x20, b"\0\0\2\x7f\0"),
    "property of another packet": packet(0x20, b"\0\0\2\x01\0"),
    "property twice": packet(0x20, b"\0\0\4\x24\1\x24\1"),
    "property cut off": packet(0x20, b"\0\0\2\x21\0"),
    "text property cut off": packet(0x20, b"\0\0\4\x1f\0\5a"),
    "properties beyond their packet": packet(0x20, b"\0\0\5\x24\1"),
    "PUBLISH without topic length": packet(0x30, b"\0"),
    "PUBLISH without body": packet(0x30),
    "topic beyond its packet": packet(0x30, b"\0\5t"),
    "topic without properties": packet(0x30, PUBLISH_TOPIC),
    "empty topic": packet(0x30, b"\0\0\0"),
    "wildcard + in a topic": packet(0x30, b"\0\1+\0"),
    "wildcard # in a topic": packet(0x30, b"\0\3a/#\0"),
    "NUL in a topic": packet(0x30, b"\0\1\0\0"),
    "bad UTF-8 in a topic": packet(0x30, b"\0\1\xff\0"),
    "surrogate in a topic": packet(0x30, b"\0\3\xed\xa0\x80\0"),
    "packet id 0": packet(0x32, PUBLISH_TOPIC, b"\0\0\0"),
    "no packet id": packet(0x32, PUBLISH_TOPIC, b"\0"),
    "topic alias": packet(0x30, PUBLISH_TOPIC, b"\3\x23\0\1"),
    "topic alias 0": packet(0x30, PUBLISH_TOPIC, b"\3\x23\0\0"),
    "subscription identifier 0": packet(0x30, PUBLISH_TOPIC, b"\2\x0b\0"),
    "wildcard in a response topic": packet(0x30, PUBLISH_TOPIC, b"\4\x08\0\1#"),
    "payload format 2": packet(0x30, PUBLISH_TOPIC, b"\2\x01\2"),
    "PUBACK of one byte": packet(0x40, b"\1"),
    "PUBACK for id 0": packet(0x40, b"\0\0"),
    "bytes behind the PUBACK": packet(0x40, b"\0\1\0\0\0"),
    "SUBACK without codes": packet(0x90, b"\0\1\0"),
    "UNSUBACK without codes": packet(0xB0, b"\0\1\0"),
    "PINGRESP with a body": packet(0xD0, b"\0"),
    "session expiry in DISCONNECT": packet(0xE0, b"\0\5\x11\0\0\0\1"),
}


@pytest.mark.parametrize("stream", MALFORMED.values(), ids=MALFORMED)
def test_what_must_not_come_is_refused(stream: bytes) -> None:
    with pytest.raises(ProtocolError) as caught:
        decode(stream)
    assert caught.value.reason_code in reason.CODES
    assert drain(bytes((byte,)) for byte in stream) == ([], str(caught.value))


@pytest.mark.parametrize("packet_id", [0, 7])
@pytest.mark.parametrize("chunk", [1, 7, 100_000])
def test_an_oversized_payload_is_skipped_not_buffered(packet_id: int, chunk: int) -> None:
    reader = Decoder(maximum_packet_size=1_000_000, max_payload=PAYLOAD)
    message = Message("t", bytes(100_000), content_type="x")
    stream = encode.publish(message, packet_id) + PINGRESP
    packets: list[Packet] = []
    most = 0
    for at in range(0, len(stream), chunk):
        packets += reader.feed(stream[at : at + chunk])
        most = max(most, reader.buffered)
    assert packets == [
        Publish("t", b"", packet_id, bool(packet_id), properties={"content_type": "x"}, oversize=100_000),
        Pingresp(),
    ]
    assert most < 20


@pytest.mark.parametrize("chunk", [7, 1_000, 1_000_000])
def test_properties_beyond_the_limit_are_neither_buffered_nor_parsed(chunk: int) -> None:
    """They are any publisher's to fill."""
    reader = Decoder(maximum_packet_size=1_000_000, max_payload=PAYLOAD)
    block = properties.write({"user_property": [("", "")] * 20_000})
    stream = packet(0x32, b"\0\1t\0\7", block, b"payload") + PINGRESP
    packets: list[Packet] = []
    most = 0
    for at in range(0, len(stream), chunk):
        packets += reader.feed(stream[at : at + chunk])
        most = max(most, reader.buffered)
    assert packets == [Publish("t", b"", 7, 1, oversize=len(block) + 7), Pingresp()]
    assert most < 20


def test_a_payload_of_exactly_the_limit_is_kept() -> None:
    (kept, skipped) = decode(
        encode.publish(Message("t", bytes(PAYLOAD))) + encode.publish(Message("t", bytes(PAYLOAD + 1)))
    )
    assert isinstance(kept, Publish)
    assert isinstance(skipped, Publish)
    assert (len(kept.payload), kept.oversize) == (PAYLOAD, 0)
    assert (len(skipped.payload), skipped.oversize) == (0, PAYLOAD + 1)


def test_strange_topics_do_not_pile_up() -> None:
    reader = decoder()
    for number in range(5000):
        reader.feed(encode.publish(Message(f"t/{number}", b"")))
    assert len(reader._topics) <= 1024


@pytest.mark.parametrize("topic", ["", "a/+", "#", "a\0b", "\udc80", "x" * 65536])
def test_what_is_no_topic_is_not_encoded(topic: str) -> None:
    with pytest.raises(ValueError):
        encode.publish(Message(topic, b""), 1)

    assert packet(CONNACK << 4) == b"\x20\x00"
