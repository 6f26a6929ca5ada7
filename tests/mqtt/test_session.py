"""The session against a broker that misbehaves: every case ends in a reason code or in one clear line."""

import asyncio
from typing import Any

import pytest

from collector.mqtt.connect import ConnectOptions, connect
from collector.mqtt.errors import SessionError
from collector.mqtt.packets import Message, Publish
from collector.mqtt.properties import write as write_properties
from collector.mqtt.session import Session
from tests.brokers import free_port
from tests.mqtt.fake_broker import Peer, fake_broker


def options(port: int, **changes: Any) -> ConnectOptions:
    return ConnectOptions("127.0.0.1", port, "me", **{"connect_timeout": 5.0, **changes})


async def dial(port: int, **changes: Any) -> Session:
    return await connect(options(port, **changes), lambda messages: None)


async def refusal(port: int, **changes: Any) -> SessionError:
    with pytest.raises(SessionError) as caught:
        await dial(port, **changes)
    assert "\n" not in str(caught.value)
    return caught.value


async def ended(session: Session) -> SessionError:
    async with asyncio.timeout(10):
        error = await session.lost
    assert error is not None
    assert "\n" not in str(error)
    return error


def messages(count: int) -> list[Message]:
    return [Message(f"t/{number}", b"x") for number in range(count)]


# Publishing


async def test_codes_belong_to_their_messages_whatever_the_order_of_the_pubacks() -> None:
    async def script(peer: Peer) -> None:
        await peer.welcome()
        ids = [(await peer.publish()).packet_id for _ in range(4)]
        for packet_id, code in reversed(list(zip(ids, [0, 0x87, 0x97, 0x10], strict=True))):
            peer.puback(packet_id, code)
        await peer.gone()

    async with fake_broker(script) as port:
        session = await dial(port)
        assert await session.publish(messages(4)) == [0, 0x87, 0x97, 0x10]
        await session.close()


@pytest.mark.fault(30)
async def test_stray_pubacks_are_counted_and_change_nothing() -> None:
    async def script(peer: Peer) -> None:
        await peer.welcome()
        peer.puback(4711)
        first = (await peer.publish()).packet_id
        second = (await peer.publish()).packet_id
        peer.puback(first, 0x87)
        peer.puback(first)
        peer.puback(second)
        peer.puback(first)
        await peer.gone()

    async with fake_broker(script) as port:
        session = await dial(port)
        assert await session.publish(messages(2)) == [0x87, 0]
        assert session.stray_pubacks >= 2
        await session.close()


async def test_never_more_in_flight_than_receive_maximum_and_in_order_over_several_calls() -> None:
    topics: list[str] = []

    async def script(peer: Peer) -> None:
        await peer.welcome(receive_maximum=3)
        for _ in range(4):
            burst = [await peer.publish() for _ in range(3)]
            # A fourth would be there at once: everything is in one write.
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await peer.packet()
            topics.extend(each.topic for each in burst)
            for each in burst:
                peer.puback(each.packet_id)
        await peer.gone()

    async with fake_broker(script) as port:
        session = await dial(port)
        sent = messages(12)
        async with asyncio.TaskGroup() as group:
            for part in (sent[:5], sent[5:6], sent[6:]):
                group.create_task(session.publish(part))
        assert topics == [message.topic for message in sent]
        await session.close()


@pytest.mark.fault(32)
async def test_receive_maximum_of_one_is_stop_and_wait() -> None:
    async def script(peer: Peer) -> None:
        await peer.welcome(receive_maximum=1)
        for _ in range(50):
            peer.puback((await peer.publish()).packet_id)
        await peer.gone()

    async with fake_broker(script) as port:
        session = await dial(port)
        assert await session.publish(messages(50)) == [0] * 50
        await session.close()


async def test_packet_ids_wrap_around_and_pass_over_one_in_flight() -> None:
    held = 0

    async def script(peer: Peer) -> None:
        nonlocal held
        await peer.welcome(receive_maximum=1000)
        held = (await peer.publish()).packet_id
        for _ in range(70_000):
            packet_id = (await peer.publish()).packet_id
            assert packet_id not in (0, held)
            peer.puback(packet_id)
        peer.puback(held, 0x10)
        await peer.gone()

    async with fake_broker(script) as port:
        session = await dial(port)
        first = asyncio.ensure_future(session.publish(messages(1)))
        await asyncio.sleep(0)
        codes = await session.publish([Message("t", b"")] * 70_000)
        assert set(codes) == {0}
        assert await first == [0x10]
        await session.close()


async def test_what_the_broker_would_have_to_refuse_is_not_sent() -> None:
    async def script(peer: Peer) -> None:
        await peer.welcome(maximum_packet_size=256, retain_available=0)
        fits = await peer.publish()
        assert len(fits.payload) == 200
        peer.puback(fits.packet_id)
        await peer.gone()

    async with fake_broker(script) as port:
        session = await dial(port)
        batch = [
            Message("t", bytes(256)),
            Message("t", bytes(200)),
            Message("t/+", b""),
            Message("", b""),
            Message("t", b"", retain=True),
        ]
        assert await session.publish(batch) == [0x95, 0, 0x90, 0x90, 0x9A]
        assert await session.publish([]) == []
        await session.close()


async def test_a_broker_of_qos_0_only_gets_nothing_at_qos_1() -> None:
    async def script(peer: Peer) -> None:
        await peer.welcome(maximum_qos=0)
        assert (await peer.packet())[0] == 0xE0

    async with fake_broker(script) as port:
        session = await dial(port)
        assert await session.publish(messages(2)) == [0x9B, 0x9B]
        await session.close()


async def test_what_had_no_puback_when_the_connection_broke_is_none() -> None:
    async def script(peer: Peer) -> None:
        await peer.welcome(receive_maximum=3)
        ids = [(await peer.publish()).packet_id for _ in range(3)]
        peer.puback(ids[1])
        await peer.publish()
        # In the middle of a PUBACK.
        peer.raw(b"\x40\x02\x00")

    async with fake_broker(script) as port:
        session = await dial(port)
        assert await session.publish(messages(6)) == [None, 0, None, None, None, None]
        await ended(session)
        assert await session.publish(messages(1)) == [None]
        with pytest.raises(SessionError, match="has ended"):
            await session.subscribe([("a", 1)])


async def test_a_cancelled_publish_leaves_the_others_alone() -> None:
    sent, cancelled = asyncio.Event(), asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.welcome(receive_maximum=1)
        first = await peer.publish()
        sent.set()
        await cancelled.wait()
        peer.puback(first.packet_id)
        assert (await peer.publish()).topic == "last"
        peer.puback(2)
        await peer.gone()

    async with fake_broker(script) as port:
        session = await dial(port)
        doomed = asyncio.ensure_future(session.publish(messages(5)))
        await sent.wait()
        doomed.cancel()
        cancelled.set()
        assert await session.publish([Message("last", b"")]) == [0]
        await session.close()


# Receiving


async def test_a_burst_arrives_as_one_list_and_is_acknowledged_in_one_write() -> None:
    bursts: list[list[Publish]] = []
    acknowledged = b""

    async def script(peer: Peer) -> None:
        nonlocal acknowledged
        await peer.welcome()
        peer.raw(b"".join(b"\x32\x07\x00\x01t\x00" + bytes((number, 0)) + b"p" for number in (1, 2, 3)))
        for _ in range(3):
            acknowledged += await peer.expect(0x40)
        await peer.gone()

    async with fake_broker(script) as port:
        arrived = asyncio.Event()

        def on_publish(burst: list[Publish]) -> None:
            bursts.append(burst)
            arrived.set()

        session = await connect(options(port), on_publish)
        await arrived.wait()
        session.acknowledge([1, 2, 3])
        session.acknowledge([])
        await session.close()
    assert [[each.packet_id for each in burst] for burst in bursts] == [[1, 2, 3]]
    assert acknowledged == b"\0\1\0\2\0\3"


async def test_what_came_ahead_of_garbage_still_counts() -> None:
    bursts: list[list[Publish]] = []

    async def script(peer: Peer) -> None:
        await peer.welcome()
        packet_id = (await peer.publish()).packet_id
        peer.raw(b"\x40\x02" + packet_id.to_bytes(2, "big") + b"\x30\x05\x00\x01t\x00p" + b"\x00\x00")
        assert await peer.expect(0xE0) == b"\x82"

    async with fake_broker(script) as port:
        session = await connect(options(port), bursts.append)
        assert await session.publish(messages(1)) == [0]
        assert "broke the protocol" in str(await ended(session))
    assert [each.payload for burst in bursts for each in burst] == [b"p"]


async def test_the_broker_says_goodbye_with_a_reason() -> None:
    async def script(peer: Peer) -> None:
        await peer.welcome()
        peer.send(0xE0, b"\x8e\0")
        await peer.gone()

    async with fake_broker(script) as port:
        error = await ended(await dial(port))
    assert str(error) == f"127.0.0.1:{port}: the broker ended the connection: Session taken over (0x8E)"
    assert error.reason_code == 0x8E
    assert not error.hold


@pytest.mark.parametrize("how", ["refused", "ended"])
async def test_a_broker_that_sends_us_elsewhere_says_where_and_is_not_followed(how: str) -> None:
    elsewhere = write_properties({"server_reference": "eu2.example.com:8883"})

    async def script(peer: Peer) -> None:
        if how == "refused":
            await peer.expect(0x10)
            peer.send(0x20, b"\0\x9d", elsewhere)
        else:
            await peer.welcome()
            peer.send(0xE0, b"\x9c", elsewhere)
        await peer.gone()

    async with fake_broker(script) as port:
        error = await (refusal(port) if how == "refused" else ended(await dial(port)))
    assert "it names 'eu2.example.com:8883': set that as url" in str(error)
    # For good it is the operator's affair; for a while it is waited out.
    assert (error.hold, error.delay > 0) == (how == "refused", how == "ended")


async def test_reading_pauses_and_resumes() -> None:
    arrived = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.welcome()
        await peer.expect(0x40)
        peer.raw(b"\x30\x05\x00\x01t\x00p")
        await peer.expect(0x40)
        await peer.gone()

    async with fake_broker(script) as port:
        session = await connect(options(port), lambda burst: arrived.set())
        session.pause_reading()
        session.pause_reading()
        session.acknowledge([1])
        await asyncio.sleep(0.05)
        assert not arrived.is_set()
        session.resume_reading()
        session.resume_reading()
        async with asyncio.timeout(5):
            await arrived.wait()
        session.acknowledge([1])
        await session.close()


# Connecting


@pytest.mark.parametrize(
    ("code", "words", "hold"),
    [
        (0x86, "Bad User Name or Password (0x86)", True),
        (0x87, "Not authorized (0x87)", True),
        (0x89, "Server busy (0x89)", False),
        (0xFE, "Unknown reason (0xFE)", False),
    ],
)
async def test_a_refusal_names_broker_and_reason(code: int, words: str, hold: bool) -> None:
    async def script(peer: Peer) -> None:
        await peer.expect(0x10)
        peer.send(0x20, bytes((0, code)), b"\0")
        await peer.gone()

    async with fake_broker(script) as port:
        error = await refusal(port)
    assert str(error) == f"127.0.0.1:{port}: the broker refused the connection: {words}"
    assert (error.reason_code, error.hold) == (code, hold)


async def test_no_connack() -> None:
    async with fake_broker(Peer.gone) as port:
        error = await refusal(port, connect_timeout=0.2)
    assert str(error) == f"127.0.0.1:{port}: no CONNACK within 0.2 s"


async def test_closed_ahead_of_connack() -> None:
    async def script(peer: Peer) -> None:
        await peer.expect(0x10)

    async with fake_broker(script) as port:
        assert "closed the connection" in str(await refusal(port))


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\xd0\x00", b"\x30\x05\x00\x01t\x00p"])
async def test_anything_but_a_connack(answer: bytes) -> None:
    async def script(peer: Peer) -> None:
        await peer.expect(0x10)
        peer.raw(answer)
        await peer.gone()

    async with fake_broker(script) as port:
        assert "broke the protocol" in str(await refusal(port))


async def test_nobody_listens() -> None:
    port = free_port()
    assert str(await refusal(port)) == f"127.0.0.1:{port}: connection refused: no broker listens there"


@pytest.mark.parametrize("host", ["no-such-host.invalid", "x" * 80 + ".invalid"])
async def test_no_such_host(host: str) -> None:
    with pytest.raises(SessionError, match="no such host"):
        await connect(ConnectOptions(host, 1883, "me"), lambda burst: None)


async def test_a_second_connack_ends_the_session() -> None:
    async def script(peer: Peer) -> None:
        await peer.welcome()
        peer.send(0x20, b"\0\0\0")
        await peer.gone()

    async with fake_broker(script) as port:
        assert "second CONNACK" in str(await ended(await dial(port)))


# The end


async def test_reset_in_the_middle_of_a_packet() -> None:
    async def script(peer: Peer) -> None:
        await peer.welcome()
        # Unread bytes make the kernel send RST instead of FIN.
        await peer.publish()
        peer.raw(b"\x32\x7f\x00")
        await asyncio.sleep(0.02)
        peer.reset()

    async with fake_broker(script) as port:
        session = await dial(port)
        assert await session.publish([Message("t", bytes(100_000))] * 20) == [None] * 20
        assert str(await ended(session)).startswith(f"127.0.0.1:{port}: ")


async def test_silence_is_found_out_by_keepalive() -> None:
    async def script(peer: Peer) -> None:
        await peer.welcome()
        assert (await peer.packet())[0] == 0xC0
        await peer.gone()

    async with fake_broker(script) as port:
        session = await dial(port, keepalive=3)
        assert str(await ended(session)) == f"127.0.0.1:{port}: no answer for 1 s"


async def test_a_large_message_may_crawl_over_the_line_while_nothing_is_heard() -> None:
    async def script(peer: Peer) -> None:
        await peer.welcome()
        message = await peer.publish()
        await asyncio.sleep(1.8)
        peer.puback(message.packet_id)
        await peer.gone()

    async with fake_broker(script) as port:
        session = await dial(port, keepalive=3)
        assert await session.publish([Message("t", bytes(10_000))]) == [0]
        await session.close()
        session = await dial(port, keepalive=3)
        assert await session.publish([Message("t", bytes(100))]) == [None]


async def test_a_broker_that_answers_everything_but_a_message_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("collector.mqtt.heartbeat.STUCK", 1.0)

    async def script(peer: Peer) -> None:
        await peer.welcome()
        stuck = await peer.publish()
        while True:
            first, body = await peer.packet()
            if first == 0xC0:
                peer.raw(b"\xd0\0")
            elif int.from_bytes(body[5:7], "big") != stuck.packet_id:
                peer.puback(int.from_bytes(body[5:7], "big"))

    async with fake_broker(script) as port:
        session = await dial(port, keepalive=3)
        assert await session.publish(messages(2)) == [None, 0]
        assert "no acknowledgement of a message for 1 s" in str(await ended(session))


async def test_the_broker_may_shorten_keepalive_and_pings_are_answered() -> None:
    pings = 0

    async def script(peer: Peer) -> None:
        nonlocal pings
        await peer.welcome(server_keep_alive=1)
        for _ in range(2):
            await peer.expect(0xC0)
            pings += 1
            peer.raw(b"\xd0\x00")
        peer.send(0xE0, b"\x8b")
        await peer.gone()

    async with fake_broker(script) as port:
        session = await dial(port, keepalive=600)
        assert (await ended(session)).reason_code == 0x8B
    assert pings == 2


async def test_a_ping_follows_the_pubacks_and_returns_with_its_own_answer() -> None:
    beaten = asyncio.Event()
    """The keep-alive's own ping is on its way; its answer comes first."""

    async def script(peer: Peer) -> None:
        await peer.welcome(server_keep_alive=1)
        await peer.expect(0xC0)
        beaten.set()
        await peer.expect(0x40)
        await peer.expect(0xC0)
        peer.raw(b"\xd0\0")
        await peer.expect(0x40)
        peer.raw(b"\xd0\0")
        await peer.expect(0xC0)
        peer.reset()

    async with fake_broker(script) as port:
        session = await dial(port)
        await beaten.wait()
        session.acknowledge([1])
        answered = asyncio.create_task(session.ping())
        await asyncio.wait([answered], timeout=0.1)
        assert not answered.done()
        session.acknowledge([2])
        await answered
        with pytest.raises(SessionError):
            await session.ping()
        with pytest.raises(SessionError, match="has ended"):
            await session.ping()


async def test_close_says_goodbye_and_resolves_lost_with_none() -> None:
    async def script(peer: Peer) -> None:
        await peer.welcome()
        assert await peer.expect(0xE0) == b"\x04"

    async with fake_broker(script) as port:
        session = await dial(port)
        await session.close(0x04)
        await session.close()
        assert session.lost.result() is None
        session.acknowledge([1])
        session.pause_reading()
        session.resume_reading()


async def test_who_waits_for_lost_may_be_cancelled() -> None:
    async def script(peer: Peer) -> None:
        await peer.welcome()
        await peer.gone()

    async with fake_broker(script) as port:
        session = await dial(port)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(session.lost, 0.01)
        await session.close()


# Subscribing


async def test_subscribe_and_unsubscribe() -> None:
    async def script(peer: Peer) -> None:
        await peer.welcome()
        body = await peer.expect(0x82)
        assert body[2:] == b"\0" + b"\0\3a/+\x11" + b"\0\1b\x10"
        peer.send(0x90, body[:2], b"\0\1\x87")
        body = await peer.expect(0xA2)
        peer.send(0xB0, body[:2], b"\0\x11")
        await peer.gone()

    async with fake_broker(script) as port:
        session = await dial(port)
        assert await session.subscribe([("a/+", 1), ("b", 0)]) == [1, 0x87]
        assert await session.unsubscribe(["a/+"]) == [0x11]
        await session.close()


@pytest.mark.parametrize(
    ("answer", "words"), [(None, "no answer"), (b"\0\1\1", "2 answers to 1"), (b"", "closed the connection")]
)
async def test_a_subscription_without_its_answer(answer: bytes | None, words: str) -> None:
    async def script(peer: Peer) -> None:
        await peer.welcome()
        body = await peer.expect(0x82)
        if answer:
            peer.send(0x90, body[:2], answer)
        if answer != b"":
            await peer.gone()

    async with fake_broker(script) as port:
        session = await dial(port, connect_timeout=0.3)
        with pytest.raises(SessionError, match=words):
            await session.subscribe([("a", 1)])
        await session.close()


@pytest.mark.parametrize("how", ["refused", "ended"])
async def test_a_password_that_the_broker_repeats_is_masked(how: str) -> None:
    said = write_properties({"reason_string": "no user with hunter2"})

    async def script(peer: Peer) -> None:
        if how == "refused":
            await peer.expect(0x10)
            peer.send(0x20, b"\0\x86", said)
        else:
            await peer.welcome()
            peer.send(0xE0, b"\x98", said)
        await peer.gone()

    async with fake_broker(script) as port:
        credentials = {"username": "u", "password": b"hunter2"}
        error = await (refusal(port, **credentials) if how == "refused" else ended(await dial(port, **credentials)))
    assert "'no user with ***'" in str(error)


# Reading in gulps


async def test_what_comes_thick_gathers_in_the_socket_and_what_comes_after_a_silence_is_read_at_once() -> None:
    bursts: asyncio.Queue[list[int]] = asyncio.Queue()
    read = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.welcome()
        await peer.expect(0x40)
        # Within `coalesce` of the last read, each in a packet of the network of its own.
        for packet_id in (2, 3, 4):
            publish(peer, packet_id)
            await asyncio.sleep(0.02)
        await read.wait()
        await peer.gone()

    def publish(peer: Peer, packet_id: int) -> None:
        peer.send(0x32, b"\0\1t", packet_id.to_bytes(2, "big"), b"\0", b"x")

    async with fake_broker(script) as port:
        session = await connect(
            options(port, coalesce=0.5), lambda taken: bursts.put_nowait([one.packet_id for one in taken])
        )
        session.acknowledge([1])
        async with asyncio.timeout(10):
            # CONNACK was read just now, so reading pauses behind the first of them.
            assert await bursts.get() == [2]
            assert await bursts.get() == [3, 4]
        read.set()
        await session.close()


async def test_the_end_of_a_connection_is_seen_while_the_socket_fills() -> None:
    async def script(peer: Peer) -> None:
        await peer.welcome()
        peer.send(0x30, b"\0\1t", b"\0", b"x")
        await peer.expect(0xE0)

    async with fake_broker(script) as port:
        arrived = asyncio.Event()
        session = await connect(options(port, coalesce=30.0), lambda taken: arrived.set())
        async with asyncio.timeout(1.5):
            await arrived.wait()
            await session.close()


async def test_a_narrow_receive_maximum_makes_every_puback_read_at_once() -> None:
    async def script(peer: Peer) -> None:
        await peer.welcome(receive_maximum=1)
        for _ in range(20):
            peer.puback((await peer.publish()).packet_id)
        await peer.gone()

    async with fake_broker(script) as port:
        session = await dial(port, coalesce=2.0)
        async with asyncio.timeout(10):
            assert await session.publish(messages(20)) == [0] * 20
        await session.close()
