"""`edge-collector receive` as its own process against a real broker, and what it makes of strange payloads."""

import asyncio
import itertools
import os
import signal
import sqlite3
import subprocess
import sys
import time
import zlib
from collections.abc import Sequence
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import Any

import aiomqtt
import msgspec
import pytest
from aiomqtt.client import ProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from collector.mqtt.packets import Publish
from collector.receive import payload
from collector.sinks.wire import BATCH_TYPE
from tests.brokers import Mosquitto
from tests.receiving import EPOCH, Receive, eventually, plain_batch, receiving

TOPIC = "edge/box/air/readings"

Sending = tuple[str, bytes, str | None]
"""Topic, payload, content type."""


def single(seq: int, **changes: Any) -> bytes:
    reading = {
        "id": f"box/{EPOCH}/{seq}",
        "collector": "box",
        "source": "air",
        "device": "sds",
        "time": "2026-11-23T15:04:05.123456Z",
        "clock": "synced",
        "fields": {"pm2_5": 12.3, "number": seq},
    }
    return msgspec.json.encode(reading | changes)


def batch(first: int, last: int, **changes: Any) -> bytes:
    return zlib.compress(plain_batch(first, last, **changes))


def publish(broker: Mosquitto, sendings: Sequence[Sending]) -> None:
    """QoS 1, in order; returns when the broker has acknowledged all."""

    async def send() -> None:
        async with aiomqtt.Client(broker.host, broker.port, protocol=ProtocolVersion.V5) as client:
            for topic, body, content_type in sendings:
                properties = Properties(PacketTypes.PUBLISH)
                if content_type is not None:
                    properties.ContentType = content_type
                await client.publish(topic, body, qos=1, properties=properties)

    asyncio.run(send())


def subscribed(broker: Mosquitto, folder: Path, *arguments: str) -> AbstractContextManager[Receive]:
    return receiving(folder, "--url", broker.url, *arguments, ready="connected to")


def test_both_formats_and_their_duplicates(broker: Mosquitto, tmp_path: Path) -> None:
    with subscribed(broker, tmp_path) as receive:
        publish(
            broker,
            [
                (TOPIC, single(1, suspect=["pm2_5"], added_later={"x": 1}), None),
                (TOPIC, single(1), None),
                ("edge/box/readings", batch(1, 3), BATCH_TYPE),
                ("edge/box/readings", batch(4, 5), None),
            ],
        )
        eventually(lambda: receive.count() == 5)
        assert receive.stop() == {"messages": 4, "readings": 7, "stored": 5, "duplicates": 2}
        assert receive.rows("SELECT * FROM reading WHERE seq IN (1, 5) ORDER BY seq") == [
            *[("box", EPOCH, 1, "air", "sds", 1795446245123456000, "synced", '{"pm2_5":12.3,"number":1}', '["pm2_5"]')],
            *[("box", EPOCH, 5, "air", "sds", 1700000000123456789, "unsynced", '{"number":5}', None)],
        ]


def test_the_state_of_a_collector_is_no_reading(broker: Mosquitto, tmp_path: Path) -> None:
    with subscribed(broker, tmp_path) as receive:
        publish(broker, [("edge/box/status", b'{"state":"online","since":1}', None), (TOPIC, single(1), None)])
        eventually(lambda: receive.count() == 1)
        assert receive.stop() == {"messages": 2, "readings": 1, "stored": 1}
        assert receive.says("edge/box/status: online")


def test_garbage_is_counted_acknowledged_and_told_once(broker: Mosquitto, tmp_path: Path) -> None:
    garbage = [b"", b"rubbish", b"{}", b"x\x9c\x00", batch(1, 2)[:-8], single(1, id="box/1"), b"[" * 100_000]
    with subscribed(broker, tmp_path, "--window", "2") as receive:
        # Were one of them not acknowledged, a window of 2 would soon be shut.
        publish(broker, [*((TOPIC, body, None) for body in garbage), (TOPIC, single(1), None)])
        eventually(lambda: receive.count() == 1)
        assert receive.stop()["invalid"] == len(garbage)
        assert receive.said().count("no readings in") == 1


def test_a_zip_bomb_is_refused_without_being_unfolded(broker: Mosquitto, tmp_path: Path) -> None:
    deflater = zlib.compressobj(9)
    plain = zlib.decompress(batch(1, 1))
    bomb = b"".join([deflater.compress(plain), *(deflater.compress(b" " * 2**20) for _ in range(512))])
    bomb += deflater.flush()
    with subscribed(broker, tmp_path) as receive:
        publish(broker, [("edge/box/readings", bomb, BATCH_TYPE), (TOPIC, single(2), None)])
        eventually(lambda: receive.count() == 1)
        assert receive.peak() < 250 * 2**20
        assert receive.stop()["invalid"] == 1
        assert receive.rows() == [(2,)]


def test_sigkill_in_mid_stream_stores_each_reading_once(broker: Mosquitto, tmp_path: Path) -> None:
    total = 6000
    with subscribed(broker, tmp_path) as receive:
        sending = subprocess.Popen([sys.executable, "-c", _SENDER, str(broker.port), str(total), EPOCH])
        try:
            for share in (0.2, 0.4, 0.6):
                eventually(lambda share=share, receive=receive: receive.count() > share * total)  # type: ignore[misc]
                os.kill(receive.process.pid, signal.SIGKILL)
                receive.process.wait()
                receive = Receive(tmp_path, "--url", broker.url)
            assert sending.wait(60) == 0
            eventually(lambda: receive.count() == total)
            receive.stop()
            assert [seq for (seq,) in receive.rows()] == list(range(1, total + 1))
        finally:
            sending.kill()
            sending.wait()
            receive.end()


_SENDER = f"""
import asyncio, sys, aiomqtt
async def main():
    async with aiomqtt.Client("127.0.0.1", int(sys.argv[1]), max_inflight_messages=100) as client:
        for start in range(1, int(sys.argv[2]) + 1, 100):
            await asyncio.gather(*(
                client.publish("{TOPIC}", {single(0)!r}.replace(b"/0", b"/%d" % seq), qos=1)
                for seq in range(start, start + 100)
            ))
asyncio.run(main())
"""


def test_nothing_is_acknowledged_that_is_not_committed(broker: Mosquitto, tmp_path: Path) -> None:
    """While another process holds the database's write lock nothing can be committed, so nothing may be
    acknowledged: killed then, the receiver gets every message again."""
    with (
        subscribed(broker, tmp_path) as receive,
        closing(sqlite3.connect(receive.database, isolation_level=None)) as blocker,
    ):
        blocker.execute("BEGIN IMMEDIATE")
        publish(broker, [(TOPIC, single(seq), None) for seq in range(1, 51)])
        time.sleep(0.5)
        assert receive.count() == 0
        receive.end()
    with subscribed(broker, tmp_path) as receive:
        assert receive.says("session resumed")
        eventually(lambda: receive.count() == 50)
        assert receive.stop()["stored"] == 50


def test_it_waits_for_a_broker_that_is_away(broker: Mosquitto, tmp_path: Path) -> None:
    with subscribed(broker, tmp_path) as receive:
        broker.stop()
        eventually(lambda: receive.says("connection refused"))
        broker.start()
        eventually(lambda: receive.said().count("connected to") == 2)
        publish(broker, [(TOPIC, single(1), None)])
        eventually(lambda: receive.count() == 1)
        receive.stop()


def test_it_stops_also_while_the_broker_is_away(broker: Mosquitto, tmp_path: Path) -> None:
    broker.stop()
    receive = Receive(tmp_path, "--url", broker.url)
    try:
        eventually(lambda: receive.says("trying again"))
        assert receive.stop() == {}
    finally:
        receive.end()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--url", "http://localhost"), "--url: "),
        (("--url", "mqtt://localhost", "--topic", "a/#/b"), "--topic: "),
        (("--url", "mqtt://localhost", "--window", "0"), "--window: "),
        (("--url", "mqtt://localhost", "--password-file", "/nonexistent"), "/nonexistent does not exist"),
        (("--http", "x"), "--http 'x': write HOST:PORT, such as 127.0.0.1:8081\n"),
        (("--http", "unix:/tmp/s"), "--http 'unix:/tmp/s': write HOST:PORT, such as 127.0.0.1:8081\n"),
        (("--http", "localhost:0", "--key-file", "k"), "--key-file: needs --cert-file beside it\n"),
        (("--http", "localhost:0", "--topic", "a"), "--topic: needs --url beside it\n"),
        (("--url", "mqtt://localhost", "--token-file", "t"), "--token-file: needs --http beside it\n"),
    ],
)
def test_wrong_arguments(arguments: tuple[str, ...], said: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "collector", "receive", "--db", str(tmp_path / "db"), *arguments],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert done.stderr.startswith(said)


def test_a_database_of_another_program(broker: Mosquitto, tmp_path: Path) -> None:
    (tmp_path / "received.sqlite3").write_bytes(b"not a database, whatever its name says" * 100)
    receive = Receive(tmp_path, "--url", broker.url)
    assert receive.process.wait(30) == 1
    assert receive.says("not a database; nothing is acknowledged")


class TestPayload:
    @pytest.mark.parametrize(
        "changes",
        [
            {"id": f"other/{EPOCH}/1"},
            {"id": f"box/{EPOCH}/0"},
            {"id": f"box/{EPOCH}/{2**63}"},
            {"id": f"box/{EPOCH.upper()}/1"},
            {"id": f"box/{EPOCH}/1\n"},
            {"time": "2026-11-23T15:04:05"},
            {"time": "9999-12-31T23:59:59Z"},
            {"fields": [1]},
            {"suspect": "pm2_5"},
        ],
    )
    def test_a_reading_that_is_none(self, changes: dict[str, Any]) -> None:
        with pytest.raises(payload.UNREADABLE):
            payload.rows(Publish(TOPIC, single(1, **changes)))

    @pytest.mark.parametrize(
        "reading",
        [{"seq": 0}, {"seq": 2**63}, {"seq": 10**30}, {"time_ns": 10**30}, {"fields": None}],
    )
    def test_a_batch_with_one_wrong_reading_is_wrong_and_names_it(self, reading: dict[str, Any]) -> None:
        good = msgspec.json.decode(plain_batch(1, 2))["readings"]
        with pytest.raises(payload.UNREADABLE, match=r"\$\.readings\[1\]"):
            payload.rows(Publish(TOPIC, batch(1, 2, readings=[good[0], good[1] | reading])))

    @pytest.mark.parametrize("bounds", [{"first_seq": 2}, {"last_seq": 4}, {"last_seq": 2}, {"readings": []}])
    def test_a_batch_that_is_not_from_first_to_last(self, bounds: dict[str, Any]) -> None:
        with pytest.raises(payload.UNREADABLE):
            payload.rows(Publish(TOPIC, batch(1, 3, **bounds)))

    def test_a_collector_may_have_slashes_in_its_id(self) -> None:
        [row] = payload.rows(Publish(TOPIC, single(7, id=f"a/b/{EPOCH}/7", collector="a/b")))
        assert (row.collector, row.epoch, row.seq) == ("a/b", EPOCH, 7)

    def test_no_byte_changed_makes_it_raise_anything_else(self) -> None:
        for body in (single(1), batch(1, 2)):
            for at, value in itertools.product(range(len(body)), (0x00, 0x22, 0x7B, 0xFF)):
                try:
                    payload.rows(Publish(TOPIC, body[:at] + bytes([value]) + body[at + 1 :]))
                except payload.UNREADABLE:
                    pass
