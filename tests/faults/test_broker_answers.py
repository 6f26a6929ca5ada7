"""Brokers that refuse, forget and confuse acknowledgements, and that allow less than others."""

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.rig import Rig, publish, until
from tests.faults.threads import in_thread
from tests.mqtt.fake_broker import Peer, fake_broker

N = 400


class Cloud:
    """A broker that keeps readings by identity, once. `answer` says what becomes of a message: it acknowledges it,
    or not, and says whether the broker has it."""

    def __init__(self, **granted: object) -> None:
        self.taken: Counter[int] = Counter()
        self.sent: Counter[str] = Counter()
        self.connections = 0
        self.answer: Callable[[Peer, int, str], Awaitable[bool]] = acknowledge
        self._granted = granted
        self._identities: set[str] = set()

    async def serve(self, peer: Peer) -> None:
        self.connections += 1
        await peer.welcome(**self._granted)
        while True:
            first, body = await peer.packet()
            if first == 0xC0:
                peer.send(0xD0)
            elif first == 0xE0:
                return
            elif first & 0xF0 == 0x30:
                await self._message(peer, first, body)

    async def _message(self, peer: Peer, first: int, body: bytes) -> None:
        topic_end = 2 + int.from_bytes(body[:2], "big")
        topic = body[2:topic_end].decode()
        packet_id = int.from_bytes(body[topic_end : topic_end + 2], "big") if first & 0x06 else 0
        if not topic.endswith("/readings"):
            peer.puback(packet_id)
            return
        reading = json.loads(body[body.index(b"{", topic_end + 2) :])
        self.sent[reading["id"]] += 1
        if await self.answer(peer, packet_id, reading["id"]) and reading["id"] not in self._identities:
            self._identities.add(reading["id"])
            self.taken[reading["fields"]["n"]] += 1


async def acknowledge(peer: Peer, packet_id: int, identity: str) -> bool:
    peer.puback(packet_id)
    return True


@contextlib.contextmanager
def delivering(tmp_path: Path, cloud: Cloud, **options: Any) -> Iterator[Rig]:
    with in_thread(fake_broker(cloud.serve)) as port, Rig(tmp_path, cloud_port=port, receiver=False, **options) as rig:
        yield rig


def check(rig: Rig, cloud: Cloud, dead: int = 0) -> None:
    books = rig.wait_drained(N)
    assert (books["received"], books["delivered"], books["dead"]) == (N, N - dead, dead)
    assert (books["dropped"], books["remainder"]) == ({}, 0)
    assert len(cloud.taken) == N - dead
    assert set(cloud.taken.values()) == {1}


@pytest.mark.fault(29)
@pytest.mark.slow_fault
@pytest.mark.parametrize("code", [0x80, 0x83, 0x87, 0x97])
def test_a_message_that_is_refused_for_a_while_is_not_delivered(tmp_path: Path, code: int) -> None:
    """0x87 is told apart: somebody must see to it."""
    cloud = Cloud()

    async def refuse(peer: Peer, packet_id: int, identity: str) -> bool:
        peer.puback(packet_id, code)
        return False

    cloud.answer = refuse
    with delivering(tmp_path, cloud) as rig:
        publish(rig.devices.port, range(N))
        state = "held" if code == 0x87 else "waiting"
        until(lambda: rig.status()["sinks"]["cloud"]["state"] == state, "the sink to back off")
        assert rig.ledger()["delivered"] == 0
        cloud.answer = acknowledge
        check(rig, cloud)


@pytest.mark.fault(29)
@pytest.mark.parametrize("code", [0x90, 0x99])
def test_a_message_that_is_refused_for_good_is_a_dead_letter(tmp_path: Path, code: int) -> None:
    cloud = Cloud()

    async def refuse_some(peer: Peer, packet_id: int, identity: str) -> bool:
        bad = int(identity.rpartition("/")[2]) % 100 == 0
        peer.puback(packet_id, code if bad else 0)
        return not bad

    cloud.answer = refuse_some
    with delivering(tmp_path, cloud) as rig:
        publish(rig.devices.port, range(N))
        check(rig, cloud, dead=N // 100)


@pytest.mark.fault(30)
def test_acknowledgements_late_twice_and_for_nobody(tmp_path: Path) -> None:
    cloud = Cloud(receive_maximum=50)

    async def confuse(peer: Peer, packet_id: int, identity: str) -> bool:
        peer.puback(packet_id ^ 0x4000)
        asyncio.get_running_loop().call_later(0.05, peer.puback, packet_id)
        asyncio.get_running_loop().call_later(0.06, peer.puback, packet_id ^ 0x4000)
        return True

    cloud.answer = confuse
    with delivering(tmp_path, cloud) as rig:
        publish(rig.devices.port, range(N))
        check(rig, cloud)


@pytest.mark.fault(30)
def test_acknowledgements_that_never_come_are_asked_for_again_on_a_new_connection(tmp_path: Path) -> None:
    """In flight is what Receive Maximum allows, no more; after a reset it comes again under the same identities."""
    cloud = Cloud(receive_maximum=50)

    async def keep_silent(peer: Peer, packet_id: int, identity: str) -> bool:
        if len(cloud.sent) >= 50 and cloud.connections == 1:
            peer.reset()
        if cloud.connections > 1:
            peer.puback(packet_id)
        return True

    cloud.answer = keep_silent
    with delivering(tmp_path, cloud) as rig:
        publish(rig.devices.port, range(N))
        check(rig, cloud)
        assert sum(times > 1 for times in cloud.sent.values()) >= 40


@pytest.mark.fault(31)
@pytest.mark.slow_fault
@pytest.mark.parametrize("code", [0x80, 0x87])
def test_a_subscription_that_is_refused_is_told_and_asked_for_again(tmp_path: Path, code: int) -> None:
    answers = [code, code, code]

    async def devices(peer: Peer) -> None:
        await peer.welcome()
        body = await peer.expect(0x82)
        peer.send(0x90, body[:2], b"\0", bytes((answers.pop() if answers else 1,)))
        await peer.gone()

    with in_thread(fake_broker(devices)) as port:
        other = f"""
        [sources.other]
        type = "mqtt"
        url = "mqtt://127.0.0.1:{port}"
        topics = ["other/+"]
        profile = "json-lines"
        backoff = {{ min = "100ms", max = "1s" }}
        """
        with Rig(tmp_path, extra=other) as rig:
            until(lambda: rig.status()["sources"]["other"]["connected"], "the subscription")
            assert answers == []
            assert "refuses to let us read other/+" in rig.daemon.log.read_text()
            publish(rig.devices.port, range(100))
            rig.check_exactly_once(100)


@pytest.mark.fault(31)
def test_a_broker_of_qos_0_only_takes_nothing(tmp_path: Path) -> None:
    """It could confirm nothing, so everything waits, and status says why."""
    cloud = Cloud(maximum_qos=0)
    with delivering(tmp_path, cloud) as rig:
        publish(rig.devices.port, range(N))
        until(lambda: rig.status()["sinks"]["cloud"]["state"] == "held", "the sink to say no")
        until(lambda: rig.ledger()["received"] == N, "all messages")
        books = rig.ledger()
        assert (books["delivered"], books["pending"], books["dead"], books["remainder"]) == (0, N, 0, 0)
        assert "QoS" in rig.status()["sinks"]["cloud"]["last_error"]
        assert not cloud.sent


@pytest.mark.fault(32)
def test_one_message_at_a_time(tmp_path: Path) -> None:
    cloud = Cloud(receive_maximum=1)
    under_way = most = 0

    async def count(peer: Peer, packet_id: int, identity: str) -> bool:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)

        def answer() -> None:
            nonlocal under_way
            under_way -= 1
            peer.puback(packet_id)

        asyncio.get_running_loop().call_later(0.002, answer)
        return True

    cloud.answer = count
    with delivering(tmp_path, cloud) as rig:
        publish(rig.devices.port, range(N))
        check(rig, cloud)
        assert most == 1


@pytest.mark.fault(32, 33)
def test_packets_of_256_bytes(tmp_path: Path) -> None:
    """What would be larger is not sent, and becomes a dead letter; the rest flows."""
    cloud = Cloud(maximum_packet_size=256)
    with delivering(tmp_path, cloud) as rig:
        publish(rig.devices.port, range(N - 10))
        publish(rig.devices.port, range(N - 10, N), padding=200)
        check(rig, cloud, dead=10)
        assert set(cloud.taken) == set(range(N - 10))
