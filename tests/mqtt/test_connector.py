"""Which version of MQTT is spoken: what the broker can, remembered for as long as that is wise."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from collector.mqtt import reason
from collector.mqtt.connect import ConnectOptions
from collector.mqtt.connector import REFUSED, Connector, Version
from collector.mqtt.errors import SessionError
from collector.mqtt.packets import VERSION_3_1_1, VERSION_5, Message, Will
from collector.mqtt.session import Session
from tests.mqtt.fake_broker import Peer, fake_broker

Script = Callable[[Peer], Awaitable[None]]


class Old:
    """A broker of 3.1.1 that meets MQTT 5 with `refusal`: bytes, none for silence, or None to hang up.

    Keeps the levels it saw.
    """

    def __init__(self, refusal: bytes | None) -> None:
        self.refusal = refusal
        self.levels: list[int] = []

    async def __call__(self, peer: Peer) -> None:
        body = await peer.expect(0x10)
        self.levels.append(body[6])
        if body[6] == VERSION_3_1_1:
            peer.send(0x20, b"\0\0")
            await peer.gone()
        elif self.refusal is not None:
            peer.raw(self.refusal)
            await peer.gone()


def connector(port: int, version: Version = "auto", told: list[Session] | None = None) -> Connector:
    options = ConnectOptions("127.0.0.1", port, "me", connect_timeout=0.5)
    return Connector(lambda: options, version, (told if told is not None else []).append)


async def established(made: Connector) -> int:
    session = await made.connect(lambda messages: None)
    await session.close()
    return session.version


@pytest.mark.parametrize(
    "refusal",
    [b"\x20\x02\x00\x01", b"\x20\x03\x00\x84\x00", b"", None],
    ids=["3.1.1 form", "0x84", "silent", "hangs up"],
)
async def test_a_broker_that_refuses_5_gets_3_1_1_and_is_remembered(refusal: bytes | None) -> None:
    told: list[Session] = []
    broker = Old(refusal)
    async with fake_broker(broker) as port:
        made = connector(port, told=told)
        assert [await established(made) for _ in range(3)] == [VERSION_3_1_1] * 3
    assert broker.levels == [5, 4, 4, 4]
    assert len(told) == 1


async def test_after_a_day_5_is_tried_again() -> None:
    told: list[Session] = []
    broker = Old(b"\x20\x02\x00\x01")
    async with fake_broker(broker) as port:
        made = connector(port, told=told)
        await established(made)
        made._try_5 -= REFUSED + 1
        await established(made)
        await established(made)
    assert broker.levels == [5, 4, 5, 4, 4]
    assert len(told) == 1


async def test_a_broker_that_forgot_3_1_1_gets_5_next_time() -> None:
    levels: list[int] = []

    async def script(peer: Peer) -> None:
        level = (await peer.expect(0x10))[6]
        levels.append(level)
        grown = len(levels) > 2
        if level == VERSION_5:
            peer.send(0x20, b"\0\0\0" if grown else b"\0\1")
        else:
            peer.send(0x20, b"\0\1" if grown else b"\0\0")
        await peer.gone()

    async with fake_broker(script) as port:
        made = connector(port)
        assert await established(made) == VERSION_3_1_1
        with pytest.raises(SessionError, match="Unsupported Protocol Version"):
            await established(made)
        assert await established(made) == VERSION_5
    assert levels == [5, 4, 4, 5]


async def test_a_broker_that_has_spoken_5_may_hang_up_without_losing_it() -> None:
    levels: list[int] = []

    async def script(peer: Peer) -> None:
        levels.append((await peer.expect(0x10))[6])
        if len(levels) != 2:
            peer.send(0x20, b"\0\0\0")
            await peer.gone()

    async with fake_broker(script) as port:
        made = connector(port)
        assert await established(made) == VERSION_5
        with pytest.raises(SessionError, match="closed the connection"):
            await established(made)
        assert await established(made) == VERSION_5
    assert levels == [5, 5, 5]


@pytest.mark.parametrize("code", [0x86, 0x87, 0x88])
async def test_any_other_refusal_is_no_question_of_versions(code: int) -> None:
    levels: list[int] = []

    async def script(peer: Peer) -> None:
        levels.append((await peer.expect(0x10))[6])
        peer.send(0x20, bytes((0, code)), b"\0")
        await peer.gone()

    async with fake_broker(script) as port:
        with pytest.raises(SessionError):
            await established(connector(port))
    assert levels == [5]


@pytest.mark.parametrize(
    ("code", "words", "hold"),
    [
        (2, "Client Identifier not valid (0x85)", True),
        (3, "Server unavailable (0x88)", False),
        (4, "Bad User Name or Password (0x86)", True),
        (5, "Not authorized (0x87)", True),
    ],
)
async def test_return_codes_of_3_1_1_are_told_like_those_of_5(code: int, words: str, hold: bool) -> None:
    async def script(peer: Peer) -> None:
        level = (await peer.expect(0x10))[6]
        peer.send(0x20, bytes((0, 1 if level == VERSION_5 else code)))
        await peer.gone()

    async with fake_broker(script) as port:
        with pytest.raises(SessionError) as caught:
            await established(connector(port))
    assert str(caught.value) == f"127.0.0.1:{port}: the broker refused the connection: {words}"
    assert caught.value.hold == hold


@pytest.mark.parametrize(("version", "levels"), [("5", [5]), ("3.1.1", [4])])
async def test_a_version_that_is_configured_is_the_only_one(version: Any, levels: list[int]) -> None:
    broker = Old(b"\x20\x02\x00\x01")
    async with fake_broker(broker) as port:
        made = connector(port, version)
        if version == "5":
            with pytest.raises(SessionError, match=r"Unsupported Protocol Version \(0x84\)"):
                await established(made)
        else:
            assert await established(made) == VERSION_3_1_1
    assert broker.levels == levels


async def test_a_connection_of_3_1_1_that_breaks_the_protocol_ends_without_disconnect() -> None:
    """There a DISCONNECT would tell the broker that all is well, and keep the will from being sent."""
    rest = b""

    async def script(peer: Peer) -> None:
        nonlocal rest
        await peer.expect(0x10)
        peer.send(0x20, b"\0\0")
        peer.raw(b"\x00\x00")
        rest = await peer.rest()

    async with fake_broker(script) as port:
        session = await connector(port, "3.1.1").connect(lambda messages: None)
        async with asyncio.timeout(5):
            assert "broke the protocol" in str(await session.lost)
        await session.close()
    assert rest == b""


@pytest.mark.parametrize("code", [0x9A, 0x9B])
async def test_a_broker_that_takes_no_will_gets_none(code: int) -> None:
    wills: list[bool] = []

    async def script(peer: Peer) -> None:
        wills.append(bool((await peer.expect(0x10))[7] & 0x04))
        peer.send(0x20, bytes((0, code if wills[-1] else 0, 0)))
        await peer.gone()

    async with fake_broker(script) as port:
        options = ConnectOptions("127.0.0.1", port, "me", will=Will("t", b"gone"))
        made = Connector(lambda: options)
        assert [await established(made) for _ in range(2)] == [VERSION_5, VERSION_5]
    assert wills == [True, False, False]


async def test_a_broker_that_ends_the_connection_over_a_size_is_not_sent_that_size_again() -> None:
    """It announces no Maximum Packet Size; MQTT 5 §3.14.2.1 lets it say 0x95 all the same."""
    taken: list[int] = []

    async def strict(peer: Peer) -> None:
        await peer.welcome()
        while (message := await peer.publish_or_end()) is not None:
            if len(message.payload) > 500:
                peer.send(0xE0, b"\x95")
                return
            taken.append(len(message.payload))
            peer.puback(message.packet_id)

    async with fake_broker(strict) as port:
        made = connector(port, "5")
        session = await made.connect(lambda messages: None)
        codes = await session.publish([Message("t", bytes(size)) for size in (10, 1000, 20)])
        assert codes[1:] == [None, None]
        session = await made.connect(lambda messages: None)
        codes = await session.publish([Message("t", bytes(size)) for size in (10, 1000, 900, 20)])
        assert codes[1] == reason.PACKET_TOO_LARGE
        assert codes[2:] == [None, None]
        session = await made.connect(lambda messages: None)
        assert await session.publish([Message("t", bytes(size)) for size in (1000, 900, 20)]) == [0x95, 0x95, 0]
        await session.close()
    assert max(taken) == 20
