"""The far end of every kind of sink behind one face, so that one suite can judge them all."""

import asyncio
import errno
import json
import os
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal, Protocol

import pytest

from collector.contracts import Sink
from collector.devices import Devices
from collector.mqtt.connect import ConnectOptions
from collector.mqtt.connector import Connector
from collector.sinks.endpoint import parse
from collector.sinks.file import FileSink
from collector.sinks.http import HttpOptions, HttpSink
from collector.sinks.json_lines import JsonLines
from collector.sinks.mqtt import MqttSink
from tests.mqtt.fake_broker import Peer, fake_broker
from tests.sinks.http_peer import ACCEPTED, HttpPeer, Request, hang_up, reply

Word = Literal["take", "take and vanish", "refuse", "not authorised", "too large"]
Answer = Callable[[list[str]], Word]
"""What is said of one delivered unit, of which the identities are given."""


def take(identities: list[str]) -> Word:
    return "take"


class FarEnd(Protocol):
    refuses: bool
    """Whether it can say no to a reading; a disk cannot."""
    answer: Answer
    units: list[tuple[list[str], bytes]]
    """All that came, taken or not: identities, and everything else that must be the same in a retry."""

    def sink(self) -> Sink: ...
    def taken(self) -> list[str]: ...
    async def leave(self) -> None: ...
    async def come(self) -> None: ...


class MqttFarEnd:
    refuses = True
    _CODES = {"take": 0x00, "refuse": 0x99, "not authorised": 0x87, "too large": 0x95}

    def __init__(self, format: Literal["reading", "batch"]) -> None:
        self.answer: Answer = take
        self.units: list[tuple[list[str], bytes]] = []
        self._format = format
        self._taken: list[str] = []
        self._port = 0
        self._here = asyncio.Event()

    def sink(self) -> Sink:
        topic = "edge/{collector}/readings" if self._format == "batch" else "edge/{collector}/{device}/readings"
        options = ConnectOptions("127.0.0.1", self._port, "box", connect_timeout=2.0)
        return MqttSink(Connector(lambda: options), "box", self._format, topic, "edge/box/status", Devices())

    def taken(self) -> list[str]:
        return self._taken

    async def leave(self) -> None:
        self._here.clear()

    async def come(self) -> None:
        self._here.set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator["MqttFarEnd"]:
        self._here.set()
        async with fake_broker(self._serve) as self._port:
            yield self

    async def _serve(self, peer: Peer) -> None:
        if not self._here.is_set():
            peer.reset()
            return
        await peer.welcome(receive_maximum=100)
        while (message := await peer.publish_or_end()) is not None:
            identities = self._identities(message.payload)
            word = self.answer(identities) if message.topic != "edge/box/status" else "take"
            if message.topic != "edge/box/status":
                self.units.append((identities, message.topic.encode() + message.payload))
            if word.startswith("take"):
                self._taken += identities
            if word == "take and vanish":
                peer.reset()
                return
            peer.puback(message.packet_id, self._CODES[word])

    def _identities(self, payload: bytes) -> list[str]:
        if self._format == "batch" and not payload.startswith(b"{"):
            batch = json.loads(zlib.decompress(payload))
            return [f"{batch['collector']}/{batch['epoch']}/{reading['seq']}" for reading in batch["readings"]]
        return [json.loads(payload)["id"]] if b'"id"' in payload else []


class HttpFarEnd:
    refuses = True

    def __init__(self) -> None:
        self.answer: Answer = take
        self.units: list[tuple[list[str], bytes]] = []
        self._taken: list[str] = []
        self._peer = HttpPeer(self._script)
        self._scripts = {
            "take": ACCEPTED,
            "take and vanish": hang_up,
            "refuse": reply(422, "n is not a number"),
            "not authorised": reply(401, "who are you?"),
            "too large": reply(413),
        }

    def sink(self) -> Sink:
        return HttpSink(lambda: HttpOptions(parse(self._peer.url), timeout=2.0), "box")

    def taken(self) -> list[str]:
        return self._taken

    async def leave(self) -> None:
        await self._peer.stop()

    async def come(self) -> None:
        await self._peer.start()

    @asynccontextmanager
    async def running(self) -> AsyncIterator["HttpFarEnd"]:
        async with self._peer.serving():
            yield self

    async def _script(self, request: Request, writer: asyncio.StreamWriter) -> None:
        word = self.answer(request.identities)
        self.units.append((request.identities, request.key.encode() + request.body))
        if word.startswith("take"):
            self._taken += request.identities
        await self._scripts[word](request, writer)


class FileFarEnd:
    """The disk takes or fails; a word other than "take" is a write that fails half way."""

    refuses = False

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.answer: Answer = take
        self.units: list[tuple[list[str], bytes]] = []
        self._directory = directory
        self._path = directory / "readings.jsonl"
        monkeypatch.setattr("collector.sinks.json_lines.os.fdatasync", self._sync)

    def sink(self) -> Sink:
        return FileSink(JsonLines(self._path, "box", max_bytes=1 << 20, max_age=None, keep=2), "box")

    def taken(self) -> list[str]:
        return [json.loads(line)["id"] for line in self._path.read_text().splitlines()]

    async def leave(self) -> None:
        self._directory.rename(self._directory.with_name("away"))

    async def come(self) -> None:
        self._directory.with_name("away").rename(self._directory)

    @asynccontextmanager
    async def running(self) -> AsyncIterator["FileFarEnd"]:
        self._directory.mkdir()
        yield self

    def _sync(self, fd: int) -> None:
        if self.answer([]) != "take":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
