"""The source side of the wiring: frames become readings, go to the spool, and are acknowledged once safe."""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import Literal, Protocol
from zlib import crc32

from collector.backoff import Backoff
from collector.capture import Recorder
from collector.clock import Clock
from collector.contracts import Source
from collector.devices import SourceDevices
from collector.errors import FrameError, SourceError
from collector.log import events
from collector.reading import Decoded, Frame, Reading
from collector.spool.filling import Origin
from collector.spool.spool import Spool

PRESSED = 0.75
"""Share of a source's window that may be unacknowledged before the spool is asked to commit."""

COMPLAIN_EVERY = 60.0
"""Seconds between two log lines about refused frames of one source; every frame is counted."""

TOPICS = 10_000
"""Topics whose device and checksum are remembered; beyond that the memory starts anew."""


LONG_TOPIC = 256
"""Characters beyond which a topic is not remembered: bounds in number alone would let one device fill memory."""


class Decoder(Protocol):
    """The part of a firmware profile that the wiring needs."""

    def decode(self, payload: bytes, topic: str | None = None) -> list[Decoded]: ...


class SourceIntake:
    """Runs one source for as long as it is not cancelled, and keeps its figures."""

    def __init__(
        self,
        name: str,
        source: Source,
        decoder: Decoder | None,
        device: Callable[[str | None, str | None], str],
        spool: Spool | None,
        clock: Clock,
        backoff: Backoff,
        devices: SourceDevices | None = None,
        recorder: Recorder | None = None,
    ) -> None:
        """`device` names the device from the profile's identity and the topic; without a spool nothing is kept."""
        self.name = name
        self.source = source
        self.state = "connecting"
        self.attempted = False
        self.readings_seen = 0
        self.messages: Counter[int] = Counter()
        self.invalid: Counter[str] = Counter()
        self.ignored = 0
        """Messages that the profile knows to be no readings; acknowledged like any other."""
        self.unacknowledged = 0
        self.last_error: str | None = None
        self.troubles: dict[str, str | None] = {}
        """What is wrong with each device that the source asks or has complained of; None: nothing."""
        self.latest: Reading | None = None
        self._decode = decoder.decode if decoder is not None else None
        self._device = device
        self._spool = spool
        self._clock = clock
        self._backoff = backoff
        self._waiting: deque[tuple[int, list[int]]] = deque()
        """Per burst, in order of arrival: the segment that must be safe, and the tokens to acknowledge."""
        self._devices = devices
        self._recorder = recorder
        self._identities: set[str] = set()
        """Devices that were seen because their frames carry who they are."""
        self._topics: dict[str | None, tuple[str, int]] = {}
        self._complained = float("-inf")
        # Of this connection: tokens taken, how many there were after the last repetition, and the segment asked about.
        self._taken = self._repeated = self._asked = 0

    async def run(self) -> None:
        """Opens the source again, with back-off, whenever it is lost. Ends by cancellation only."""
        while True:
            try:
                await self.source.run(self)
            except SourceError as error:
                delay = self._backoff.failed(error.delay)
                self._lost(str(error), delay)
                await asyncio.sleep(delay)

    def session(self, present: bool) -> None:
        self._waiting.clear()
        self._count_waiting()
        self._taken = self._repeated = self._asked = 0
        if not present and self._spool is not None:
            self._spool.tail.forget(self.name)

    def connected(self) -> None:
        self.state, self.attempted, self.last_error = "connected", True, None
        self._backoff.succeeded()
        if self._devices is not None:
            self._devices.connected(True)
        self.troubles.clear()
        events.SOURCE_CONNECTED.log("source %s: connected", self.name, source=self.name)

    def raw(self, data: bytes) -> None:
        if self._recorder is not None:
            self._record(self._recorder, data, None)

    def frames(self, frames: list[Frame]) -> None:
        """Decodes a burst and hands it to the spool in one piece; each refused frame is counted and let go."""
        assert self._decode is not None
        if self._recorder is not None and self._recorder.messages:
            for frame in frames:
                self._record(self._recorder, frame.payload, frame.topic)
        now, clock = self._now()
        readings: list[Reading] = []
        origins: list[Origin] = []
        tokens: list[int] = []
        size = newest = 0
        repeated = False
        topics, decode, source = self._topics, self._decode, self.name
        devices = self._devices
        looking = devices is not None and devices.due(self._clock.monotonic())
        for frame in frames:
            payload, topic, token = frame.payload, frame.topic, frame.token
            known = topics.get(topic)
            device, topic_crc = known or self._remember(topic)
            if token:
                tokens.append(token)
                fingerprint = topic_crc << 32 | crc32(payload)
                if frame.again:
                    repeated = True
                    if (id := self._sent(token, fingerprint)) is not None:
                        newest = max(newest, id)
                        continue
            else:
                fingerprint = 0
            try:
                decoded = decode(payload, topic)
            except FrameError as error:
                self._refuse(error.reason, 1, error.detail)
                continue
            except Exception as error:
                # A fault of ours, not of the frame; but unread it would block the source for good.
                self._refuse("internal", 1, f"{error!r} on {payload[:60]!r}; please report it")
                continue
            if not decoded:
                self.ignored += 1
                continue
            for one in decoded:
                name = device if one.device is None else self._device(one.device, topic)
                if devices is not None and (
                    looking or known is None or (one.device is not None and self._is_new(name))
                ):
                    devices.seen(name, one)
                if one.time_ns is None:
                    readings.append(Reading(0, source, name, now, clock, one.fields, one.suspect))
                else:
                    readings.append(Reading(0, source, name, one.time_ns, "synced", one.fields, one.suspect))
            origins.append(Origin(token, fingerprint, len(decoded)))
            size += len(payload)
        self._append(readings, origins, size, tokens, newest)
        if repeated:
            self._repeated, self._asked = self._taken, 0

    def readings(self, decoded: list[Decoded]) -> None:
        now, clock = self._now()
        readings = [
            Reading(
                *(0, self.name, self._device(one.device, None), one.time_ns or now),
                *(clock if one.time_ns is None else "synced", one.fields, one.suspect),
            )
            for one in decoded
        ]
        if self._devices is not None:
            for one in decoded:
                self._devices.seen(self._device(one.device, None), one)
        self._append(readings, [], 64 * sum(len(reading.fields) for reading in readings), [], 0)

    def refused(self, reason: str, count: int, detail: str, tokens: Sequence[int] = ()) -> None:
        self._refuse(reason, count, detail)
        self._append([], [], 0, list(tokens), 0)

    def received(self, count: int, qos: int) -> None:
        self.messages[qos] += count

    def trouble(self, device: str | None, what: str | None) -> None:
        name = self._device(device, None)
        before, self.troubles[name] = self.troubles.get(name), what
        if what is not None and before is None:
            events.DEVICE_SILENT.log("source %s: device %s: %s", self.name, name, what, source=self.name)
        elif what is None and before is not None:
            events.DEVICE_ANSWERS.log("source %s: device %s is back", self.name, name, source=self.name)

    def asking(self) -> bool:
        """Of an earlier connection the broker knows every acknowledgement once nothing is left to be repeated."""
        self._asked = 0
        if self._spool is not None and self._repeated <= self._taken - self.unacknowledged:
            self._asked = self._spool.tail.unconfirmed(self.name)
        return self._asked > 0

    def answered(self) -> None:
        """A repetition that came since has made the question void."""
        if self._spool is not None and self._asked:
            self._spool.tail.confirmed(self.name, self._asked)
        self._asked = 0

    def safe(self, through: int) -> None:
        """Segments up to `through` are safe: what came in them is acknowledged, in order of arrival."""
        waiting = self._waiting
        tokens: list[int] = []
        while waiting and waiting[0][0] <= through:
            tokens += waiting.popleft()[1]
        if tokens:
            self.source.acknowledge(tokens)
            self.unacknowledged -= len(tokens)
            self._press()

    def _append(
        self, readings: list[Reading], origins: list[Origin], size: int, tokens: list[int], newest: int
    ) -> None:
        """`newest` is the last segment that messages of this burst, sent again, already lie in."""
        if readings:
            self.latest = readings[-1]
            self.readings_seen += len(readings)
            if self._spool is not None:
                newest = max(newest, self._spool.append(self.name, readings, origins, size))
        if tokens:
            self._waiting.append((newest, tokens))
            self.unacknowledged += len(tokens)
            self._taken += len(tokens)
            through = self._spool.tail.safe if self._spool is not None else newest
            if newest <= through and self._waiting[0][0] <= through:
                self.safe(through)
            else:
                self._press()

    def _now(self) -> tuple[int, Literal["synced", "unsynced"]]:
        """What our own clock says, and whether it is right."""
        now = self._clock.wall_ns()
        return now, "synced" if self._clock.regime().synchronised else "unsynced"

    def _sent(self, token: int, fingerprint: int) -> int | None:
        return self._spool.tail.sent(self.name, token, fingerprint) if self._spool is not None else None

    def _remember(self, topic: str | None) -> tuple[str, int]:
        if len(self._topics) >= TOPICS:
            self._topics.clear()
        entry = self._device(None, topic), crc32((topic or "").encode())
        if topic is None or len(topic) <= LONG_TOPIC:
            self._topics[topic] = entry
        return entry

    def _is_new(self, name: str) -> bool:
        """Whether a device that says itself who it is has not been seen before."""
        if name in self._identities:
            return False
        if len(self._identities) >= TOPICS:
            self._identities.clear()
        self._identities.add(name)
        return True

    def _record(self, recorder: Recorder, data: bytes, topic: str | None) -> None:
        if not recorder.record(data, topic, self._clock.monotonic()):
            self._recorder = None
            said = "source %s: no longer recorded into %s (%s); collecting goes on"
            events.RECORDING_ENDED.log(said, self.name, recorder.path, recorder.trouble, source=self.name)

    def _press(self) -> None:
        if self._spool is not None and self.source.window:
            self._spool.press(self.name, self.unacknowledged >= PRESSED * self.source.window)

    def _count_waiting(self) -> None:
        self.unacknowledged = sum(len(tokens) for _, tokens in self._waiting)
        self._press()

    def _refuse(self, reason: str, count: int, detail: str) -> None:
        self.invalid[reason] += count
        now = self._clock.monotonic()
        if now - self._complained >= COMPLAIN_EVERY:
            self._complained = now
            events.FRAME_REFUSED.log(
                "source %s: refused %s (%s); %d refused so far, see frames_invalid_total",
                self.name,
                reason,
                detail,
                self.invalid.total(),
                source=self.name,
                reason=reason,
            )

    def _lost(self, reason: str, delay: float) -> None:
        if self.state != "waiting" or reason != self.last_error:
            events.SOURCE_LOST.log("source %s: %s; trying again in %.1f s", self.name, reason, delay, source=self.name)
        self.state, self.attempted, self.last_error = "waiting", True, reason
        if self._devices is not None:
            self._devices.connected(False)
        self._waiting.clear()
        self._count_waiting()
