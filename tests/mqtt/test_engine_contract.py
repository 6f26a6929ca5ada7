"""What the engine promises, whichever version of MQTT it speaks and whatever carries it: on a real Mosquitto."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from collector.mqtt.errors import SessionError
from collector.mqtt.packets import VERSION_5, Message, Publish, Will
from tests.brokers import mosquitto_binary
from tests.mqtt.certificates import Authority
from tests.mqtt.inbox import Inbox, numbered
from tests.mqtt.ways import WAYS, Reached, Way, reached

if mosquitto_binary() is None:
    pytest.skip("mosquitto is not installed", allow_module_level=True)

KEPT = {"clean_start": False, "session_expiry": 3600}


@pytest.fixture(params=WAYS, ids=lambda way: way.name)
def way(request: pytest.FixtureRequest) -> Way:
    found: Way = request.param
    return found


@pytest.fixture
async def peer(way: Way, tmp_path: Path, authority: Authority) -> AsyncIterator[Reached]:
    async with reached(way, tmp_path, authority) as found:
        # What the loop itself opens with its first connection is not the engine's.
        await (await found.session("first")).close()
        yield found


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def settles_at(count: int) -> None:
    """Sockets are closed a turn of the loop or two after the session that had them."""
    async with asyncio.timeout(5):
        while descriptors() > count:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_many_messages_there_and_back_acknowledged_and_in_order(peer: Reached) -> None:
    inbox = Inbox()

    def acknowledge(messages: list[Publish]) -> None:
        inbox(messages)
        receiver.acknowledge(message.packet_id for message in messages)

    receiver = await peer.session("receiver", acknowledge)
    sender = await peer.session("sender")
    assert await receiver.subscribe([("t", 1), ("other/+", 0)]) == [1, 0]
    codes = await asyncio.gather(*(sender.publish(numbered(3000)[at : at + 500]) for at in range(0, 3000, 500)))
    assert {code for part in codes for code in part} == {0}
    await inbox.holds(3000)
    assert inbox.payloads == [message.payload for message in numbered(3000)]
    assert sender.stray_pubacks == 0
    assert await receiver.unsubscribe(["t"]) == [0]


async def test_large_messages(peer: Reached, way: Way) -> None:
    if way.websocket == "own":
        pytest.skip("Mosquitto 2.0.11 takes seconds for 64 KiB through its own WebSocket, whoever reads")
    inbox = Inbox()
    client = await peer.session("client", inbox, max_payload=1_000_000)
    await client.subscribe([("t", 1)])
    sizes = [1, 125, 126, 65_535, 65_536, 1_000_000, 1_000_001, 3_000_000, 2]
    assert set(await client.publish([Message("t", bytes(size)) for size in sizes])) == {0}
    await inbox.holds(len(sizes))
    assert [len(message.payload) or message.oversize for message in inbox.messages] == sizes


async def test_what_was_not_acknowledged_comes_again_with_dup_in_a_resumed_session(peer: Reached) -> None:
    first, again = Inbox(), Inbox()
    receiver = await peer.session("receiver", first, **KEPT)
    assert not receiver.connack.session_present
    await receiver.subscribe([("t", 1)])
    sender = await peer.session("sender")
    await sender.publish(numbered(5))
    await first.holds(5)
    assert not any(message.dup for message in first.messages)
    receiver.acknowledge(first.ids[:2])
    # The acknowledgements have arrived when the broker answers what was sent behind them.
    await receiver.subscribe([("other", 1)])
    receiver.abort()

    receiver = await peer.session("receiver", again, **KEPT)
    assert receiver.connack.session_present
    await again.stays_at(3)
    assert again.payloads == [b"2", b"3", b"4"]
    assert again.ids == first.ids[2:]
    assert all(message.dup for message in again.messages)


async def test_the_broker_hands_over_no_more_than_the_window(peer: Reached) -> None:
    """Ours on MQTT 5; on 3.1.1, where we have no say, Mosquitto's own."""
    window = 30 if peer.version == VERSION_5 else 20
    inbox = Inbox()
    receiver = await peer.session("receiver", inbox, receive_maximum=30)
    await receiver.subscribe([("t", 1)])
    sender = await peer.session("sender")
    await sender.publish(numbered(100))
    await inbox.stays_at(window)
    receiver.acknowledge(inbox.ids)
    await inbox.holds(2 * window)


@pytest.mark.parametrize("how", ["abort", "close"])
async def test_the_will_speaks_for_a_connection_that_broke_and_only_for_that(peer: Reached, how: str) -> None:
    inbox = Inbox()
    watcher = await peer.session("watcher", inbox)
    await watcher.subscribe([("state/#", 1)])
    mortal = await peer.session("mortal", will=Will("state/mortal", b"offline"))
    if how == "abort":
        mortal.abort()
    else:
        await mortal.close()
        await watcher.publish([Message("state/end", b"no will")])
    await inbox.holds(1)
    assert inbox.payloads == [b"offline" if how == "abort" else b"no will"]


@pytest.mark.slow
@pytest.mark.fault(24)
async def test_keep_alive_finds_out_a_silent_broker(peer: Reached) -> None:
    held = await peer.session("held", keepalive=1)
    peer.broker.pause()
    try:
        async with asyncio.timeout(10):
            assert "no answer for" in str(await held.lost)
    finally:
        peer.broker.resume()


async def test_reading_pauses_and_goes_on_where_it_was(peer: Reached) -> None:
    inbox = Inbox()
    receiver = await peer.session("receiver", inbox)
    await receiver.subscribe([("t", 0)])
    receiver.pause_reading()
    sender = await peer.session("sender")
    await sender.publish(numbered(50))
    await asyncio.sleep(0.1)
    assert inbox.messages == []
    receiver.resume_reading()
    await inbox.holds(50)
    assert inbox.payloads == [message.payload for message in numbered(50)]


async def test_closing_is_quick_ends_with_no_error_and_leaves_no_descriptor(peer: Reached) -> None:
    before = descriptors()
    for _ in range(3):
        session = await peer.session("brief")
        began = time.monotonic()
        await session.close()
        await session.close()
        assert time.monotonic() - began < 1.5
        assert session.lost.result() is None
    await settles_at(before)


async def test_aborting_leaves_no_descriptor(peer: Reached) -> None:
    before = descriptors()
    session = await peer.session("cut")
    session.abort()
    assert str(await session.lost or "closed") == "closed"
    await settles_at(before)


async def test_a_broker_that_dies_is_one_line(peer: Reached) -> None:
    before = descriptors()
    session = await peer.session("bereft")
    peer.broker.kill()
    async with asyncio.timeout(5):
        error = await session.lost
    assert error is not None and str(error).startswith(f"{session.address}: ")
    assert "\n" not in str(error)
    assert await session.publish(numbered(2)) == [None, None]
    await settles_at(before)


async def test_nobody_there_is_one_line(peer: Reached) -> None:
    before = descriptors()
    peer.broker.stop()
    with pytest.raises(SessionError) as caught:
        await peer.session("early")
    assert str(caught.value).startswith(f"{peer.options.host}:{peer.options.port}: ")
    assert "\n" not in str(caught.value)
    await settles_at(before)


async def test_a_broker_that_does_not_let_us_in_says_so(way: Way, tmp_path: Path, authority: Authority) -> None:
    (passwords := tmp_path / "passwords").write_text("")
    async with reached(way, tmp_path, authority, f"password_file {passwords}", anonymous=False) as peer:
        with pytest.raises(
            SessionError, match=r"the broker refused the connection: Not authorized \(0x87\)$"
        ) as caught:
            await peer.session("stranger", username="u", password=b"secret")
        assert caught.value.hold


async def test_cancelled_while_connecting_it_leaves_nothing_behind(peer: Reached) -> None:
    before = descriptors()
    peer.broker.pause()
    try:
        connecting = asyncio.create_task(peer.session("impatient"))
        await asyncio.sleep(0.1)
        connecting.cancel()
        await asyncio.wait([connecting])
        assert connecting.cancelled()
        await settles_at(before + 1)
    finally:
        peer.broker.resume()
