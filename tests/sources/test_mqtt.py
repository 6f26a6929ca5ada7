"""The MQTT source on a real Mosquitto."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace

from collector.backoff import Backoff
from collector.errors import SourceError
from collector.intake import SourceIntake
from collector.mqtt.connect import ConnectOptions, connect
from collector.mqtt.connector import Connector, Version
from collector.mqtt.packets import Message
from collector.profiles.library import builtin_folder, load
from collector.reading import Frame
from collector.sources.mqtt import MqttSource
from tests.brokers import Mosquitto
from tests.mqtt.fake_broker import Peer, fake_broker
from tests.sources.intake import RecordingIntake, until
from tests.spool.rig import Rig


class Recording(RecordingIntake):
    def __init__(self) -> None:
        super().__init__()
        self.sessions: list[bool] = []
        self.seen: list[Frame] = []
        self.refused_tokens: list[int] = []
        self.by_qos: dict[int, int] = {}

    def session(self, present: bool) -> None:
        self.sessions.append(present)

    def frames(self, frames: list[Frame]) -> None:
        self.seen += frames

    def refused(self, reason: str, count: int, detail: str, tokens: Sequence[int] = ()) -> None:
        super().refused(reason, count, detail)
        self.refused_tokens += tokens

    def received(self, count: int, qos: int) -> None:
        self.by_qos[qos] = self.by_qos.get(qos, 0) + count


def options(broker: Mosquitto, **changed: object) -> ConnectOptions:
    given: dict[str, object] = {
        "host": broker.host,
        "port": broker.port,
        "client_id": "box-01234567-meter",
        "clean_start": False,
        "session_expiry": 600,
        "receive_maximum": 30,
    }
    return ConnectOptions(**(given | changed))  # type: ignore[arg-type]


def source_of(broker: Mosquitto, version: Version = "auto", **changed: object) -> MqttSource:
    return MqttSource(Connector(lambda: options(broker, **changed), version), ["meter/+"], 1, window=30)


async def publish(broker: Mosquitto, *messages: Message) -> None:
    session = await connect(ConnectOptions(broker.host, broker.port, "publisher"), lambda messages: None)
    assert all(code in (0, 0x10) for code in await session.publish(messages))
    await session.close()


async def stop(running: "asyncio.Task[None]") -> None:
    running.cancel()
    await asyncio.wait([running])


async def test_frames_carry_topic_token_and_repetition(broker: Mosquitto) -> None:
    source, intake = source_of(broker), Recording()
    running = asyncio.create_task(source.run(intake))
    await until(lambda: intake.connections)
    await publish(broker, Message("meter/1", b"a"), Message("meter/2", b"b"))
    await until(lambda: len(intake.seen) == 2)
    assert [(f.payload, f.topic, f.again) for f in intake.seen] == [(b"a", "meter/1", False), (b"b", "meter/2", False)]
    source.acknowledge([intake.seen[0].token])
    await asyncio.sleep(0.1)
    await stop(running)

    later = Recording()
    running = asyncio.create_task(source.run(later))
    await until(lambda: len(later.seen) == 1)
    assert (intake.sessions, later.sessions) == ([False], [True])
    assert later.seen == [replace(intake.seen[1], again=True)]
    assert later.by_qos == {1: 1}
    await stop(running)


async def test_the_window_is_the_most_the_broker_hands_over(broker: Mosquitto) -> None:
    source, intake = source_of(broker), Recording()
    running = asyncio.create_task(source.run(intake))
    await until(lambda: intake.connections)
    await publish(broker, *(Message("meter/1", b"%d" % n) for n in range(100)))
    await until(lambda: len(intake.seen) == 30)
    await asyncio.sleep(0.2)
    assert len(intake.seen) == source.window == 30
    source.acknowledge([frame.token for frame in intake.seen])
    await until(lambda: len(intake.seen) >= 60)
    await stop(running)


async def test_retained_messages_come_once_not_at_every_start(broker: Mosquitto) -> None:
    await publish(broker, Message("meter/1", b"kept", retain=True))
    source, intake = source_of(broker), Recording()
    for _ in range(3):
        running = asyncio.create_task(source.run(intake))
        before = intake.connections
        await until(lambda before=before: intake.connections > before)
        await asyncio.sleep(0.2)
        source.acknowledge([frame.token for frame in intake.seen])
        await asyncio.sleep(0.1)
        await stop(running)
    assert [frame.payload for frame in intake.seen] == [b"kept"]


async def test_a_payload_beyond_the_limit_is_refused_with_its_token(broker: Mosquitto) -> None:
    source, intake = source_of(broker, max_payload=1000), Recording()
    running = asyncio.create_task(source.run(intake))
    await until(lambda: intake.connections)
    await publish(broker, Message("meter/1", b"x"), Message("meter/2", b"y" * 10_000_000), Message("meter/3", b"z"))
    await until(lambda: len(intake.seen) == 2 and intake.refused_tokens)
    assert [frame.payload for frame in intake.seen] == [b"x", b"z"]
    assert intake.refusals == {"too large": 1}
    assert intake.details == ["10000000 bytes on meter/2"]
    await stop(running)


async def test_paused_it_reads_nothing(broker: Mosquitto) -> None:
    source, intake = source_of(broker), Recording()
    running = asyncio.create_task(source.run(intake))
    await until(lambda: intake.connections)
    source.pause(True)
    await publish(broker, Message("meter/1", b"a"))
    await asyncio.sleep(0.2)
    assert intake.seen == []
    source.pause(False)
    await until(lambda: intake.seen)
    await stop(running)


async def test_an_unreachable_broker_is_one_line(broker: Mosquitto) -> None:
    broker.stop()
    with pytest.raises(SourceError, match=f"127.0.0.1:{broker.port}") as raised:
        await source_of(broker).run(Recording())
    assert "\n" not in str(raised.value)


async def test_a_broker_that_goes_away_is_one_line(broker: Mosquitto) -> None:
    intake = Recording()
    running = asyncio.create_task(source_of(broker).run(intake))
    await until(lambda: intake.connections)
    broker.kill()
    with pytest.raises(SourceError, match=f"127.0.0.1:{broker.port}"):
        await running


# MQTT 3.1.1


async def test_a_broker_that_hands_over_more_than_the_window_waits_for_acknowledgements() -> None:
    held_back = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.welcome()
        subscribe = await peer.expect(0x82)
        peer.send(0x90, subscribe[:2], b"\0\1")
        for packet_id in range(1, 101):
            peer.send(0x32, b"\0\7meter/1", packet_id.to_bytes(2, "big"), b"\0", b"x")
            if packet_id == 50:
                await held_back.wait()
        await peer.gone()

    async with fake_broker(script) as port:
        made = Connector(lambda: ConnectOptions("127.0.0.1", port, "me", clean_start=False), "5")
        source, intake = MqttSource(made, ["meter/+"], 1, window=30), Recording()
        running = asyncio.create_task(source.run(intake))
        await until(lambda: len(intake.seen) == 50)
        held_back.set()
        await asyncio.sleep(0.1)
        assert len(intake.seen) == 50
        source.acknowledge([frame.token for frame in intake.seen[:20]])
        await until(lambda: len(intake.seen) == 100)
        await stop(running)


async def test_on_3_1_1_the_window_is_20_until_more_have_been_unacknowledged(tmp_path: Path) -> None:
    with Mosquitto(tmp_path / "broker", config_lines=["max_inflight_messages 25"]) as broker:
        source, intake = source_of(broker, "3.1.1"), Recording()
        assert source.window == 30
        running = asyncio.create_task(source.run(intake))
        await until(lambda: intake.connections)
        assert source.window == 20
        await publish(broker, *(Message("meter/1", b"%d" % n) for n in range(100)))
        await until(lambda: len(intake.seen) == 25)
        assert source.window == 25
        await stop(running)


async def test_on_3_1_1_retained_messages_come_once_though_the_broker_sends_them_at_every_subscribe(
    broker: Mosquitto,
) -> None:
    await publish(broker, Message("meter/1", b"kept", retain=True), Message("meter/2", b"too", retain=True))
    payloads: list[bytes] = []
    refusals: list[int] = []
    # Two processes, each with two connections.
    for _ in range(2):
        source, intake = source_of(broker, "3.1.1"), Recording()
        for connection in range(2):
            running = asyncio.create_task(source.run(intake))
            await until(lambda intake=intake, due=connection: intake.connections > due)
            await publish(broker, Message("meter/3", b"live"))
            await asyncio.sleep(0.2)
            tokens = [frame.token for frame in intake.seen] + intake.refused_tokens
            source.acknowledge(tokens)
            intake.refused_tokens.clear()
            await asyncio.sleep(0.1)
            await stop(running)
            payloads += [frame.payload for frame in intake.seen]
            intake.seen.clear()
        refusals.append(intake.refusals["retained"])
    assert sorted(payloads) == [b"kept"] + [b"live"] * 4 + [b"too"]
    assert refusals == [0, 2]


async def test_on_3_1_1_a_retained_message_that_was_never_acknowledged_is_kept(broker: Mosquitto) -> None:
    await publish(broker, Message("meter/1", b"kept", retain=True))
    first, second = Recording(), Recording()
    running = asyncio.create_task(source_of(broker, "3.1.1").run(first))
    await until(lambda: first.seen)
    await stop(running)
    running = asyncio.create_task(source_of(broker, "3.1.1").run(second))
    await until(lambda: second.seen and second.refused_tokens)
    assert second.seen == [replace(first.seen[0], again=True)]
    assert second.refusals == {"retained": 1}
    await stop(running)


@pytest.mark.parametrize("version", ["5", "3.1.1"])
@pytest.mark.parametrize("answered", [True, False])
async def test_a_new_message_under_the_packet_id_of_an_acknowledged_one_is_new(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, version: Version, answered: bool
) -> None:
    """Its first copy is lost with the connection, so that it is first seen with DUP, byte for byte like the old one."""
    monkeypatch.setattr("collector.sources.mqtt.CONFIRM_EVERY", 0.05)
    connections = 0
    done = asyncio.Event()
    properties = b"\0" if version == "5" else b""

    async def script(peer: Peer) -> None:
        nonlocal connections
        connections += 1
        await peer.expect(0x10)
        peer.send(0x20, b"\0\0" if connections == 1 else b"\1\0", properties)
        if version == "5" or connections == 1:
            body = await peer.expect(0x82)
            peer.send(0x90, body[:2], properties, b"\1")
        first = 0x32 if connections == 1 else 0x3A
        peer.send(first, b"\0\7meter/1", b"\0\1", properties, b"21")
        assert await peer.expect(0x40) == b"\0\1"
        if connections == 2:
            done.set()
            await peer.gone()
            return
        await peer.expect(0xC0)
        if answered:
            peer.raw(b"\xd0\0")
            await until(lambda: rig.spool.tail.state.sent == {"meter": []})
        peer.reset()

    async with fake_broker(script) as port:
        made = Connector(
            lambda: ConnectOptions("127.0.0.1", port, "me", clean_start=False, session_expiry=600), version
        )
        source = MqttSource(made, ["meter/+"], 1, window=30)
        intake = SourceIntake(
            *("meter", source, load("json-lines", [builtin_folder()]), lambda carried, topic: "m1"),
            *(rig.spool, rig.clock, Backoff(0.001, 0.002, now=rig.clock.monotonic)),
        )
        rig.spool.tail._on_safe = intake.safe
        running = asyncio.create_task(intake.run())
        async with asyncio.timeout(10):
            await rig.deliver()
            if answered:
                await rig.deliver()
            await done.wait()
        await stop(running)
    assert rig.spool.tail.state.received == {"meter": 2 if answered else 1}


async def test_the_broker_is_asked_once_for_all_that_came(broker: Mosquitto, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("collector.sources.mqtt.CONFIRM_EVERY", 0.05)

    class Asking(Recording):
        questions = answers = 0

        def asking(self) -> bool:
            self.questions += len(self.seen) > self.answers
            return len(self.seen) > self.answers

        def answered(self) -> None:
            self.answers = len(self.seen)

    source, intake = source_of(broker), Asking()
    running = asyncio.create_task(source.run(intake))
    await until(lambda: intake.connections)
    await publish(broker, *(Message("meter/1", b"%d" % n) for n in range(20)))
    await until(lambda: intake.answers == 20)
    await asyncio.sleep(0.2)
    assert intake.questions <= 2
    await stop(running)


async def test_messages_held_back_leave_the_answer_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """They came ahead of it, and may be repetitions."""
    monkeypatch.setattr("collector.sources.mqtt.CONFIRM_EVERY", 0.02)
    asked = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.welcome()
        body = await peer.expect(0x82)
        peer.send(0x90, body[:2], b"\0\1")
        await peer.expect(0xC0)
        peer.send(0x3A, b"\0\7meter/1", b"\0\1", b"\0", b"21")
        peer.raw(b"\xd0\0")
        await peer.expect(0xC0)
        asked.set()
        await peer.gone()

    class Asking(Recording):
        def asking(self) -> bool:
            # Paused by hand, so that the socket is read on: as between connecting and the first SUBACK.
            source._paused = True
            return True

    async with fake_broker(script) as port:
        source, intake = (
            MqttSource(Connector(lambda: ConnectOptions("127.0.0.1", port, "me")), ["meter/+"], 1, 30),
            Asking(),
        )
        running = asyncio.create_task(source.run(intake))
        async with asyncio.timeout(5):
            await asked.wait()
        assert intake.seen == []
        await stop(running)


async def test_a_filter_that_3_1_1_refuses_is_named() -> None:
    async def script(peer: Peer) -> None:
        await peer.expect(0x10)
        peer.send(0x20, b"\0\0")
        body = await peer.expect(0x82)
        peer.send(0x90, body[:2], b"\x80")
        await peer.gone()

    async with fake_broker(script) as port:
        made = Connector(lambda: ConnectOptions("127.0.0.1", port, "me"), "3.1.1")
        with pytest.raises(SourceError, match=r"refuses to let us read meter/\+"):
            await MqttSource(made, ["meter/+"], 1, window=30).run(Recording())
