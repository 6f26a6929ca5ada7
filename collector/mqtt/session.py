"""One network connection to a broker, from CONNECT to its end. MQTT 5 and 3.1.1, QoS 0 and 1."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Final, cast

from collector.mask import Mask
from collector.mqtt import encode, reason
from collector.mqtt.address import Address
from collector.mqtt.decode import Decoder
from collector.mqtt.errors import ProtocolError, SessionError
from collector.mqtt.faults import describe
from collector.mqtt.heartbeat import Heartbeat
from collector.mqtt.outbox import Batch, Outbox
from collector.mqtt.packets import (
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
from collector.mqtt.replies import Replies

WRITE_CHUNK: Final = 64 * 1024
"""Bytes of PUBLISH packets handed to the transport at once, between looks at its back-pressure."""

CLOSE_TIMEOUT: Final = 2.0
"""Seconds that a closing connection may take to flush before it is cut."""

OnPublish = Callable[[list[Publish]], None]


class Session(asyncio.Protocol):
    """Made by `connect`. All methods belong to the event loop's thread."""

    connack: Connack
    """What the broker granted."""
    lost: asyncio.Future[SessionError | None]
    """Done when the connection has ended: with the reason, or with None when `close` ended it."""

    def __init__(
        self,
        address: Address,
        connect: Connect,
        decoder: Decoder,
        on_publish: OnPublish,
        answer_timeout: float,
        version: int = VERSION_5,
        *,
        coalesce: float = 0.0,
    ) -> None:
        """`version` is the protocol level that `connect` is sent in and `decoder` reads.

        What comes within `coalesce` seconds of the last read waits as long for what follows it: waking up costs more
        than reading. After a longer silence nothing waits, nor while a narrow Receive Maximum stalls what we publish.
        """
        self._loop = asyncio.get_running_loop()
        self.address = address
        self._connect = connect
        self._mask = Mask([connect.password.decode("utf-8", "replace")] if connect.password else [])
        self._decoder = decoder
        self._on_publish = on_publish
        self.version = version
        self._transport: asyncio.Transport
        # Until CONNACK tells how many, no message may leave.
        self._outbox = Outbox(Connack(session_present=False, reason_code=0, receive_maximum=0), version)
        self.opened: asyncio.Future[None] = self._loop.create_future()
        """Done when CONNACK has come; failed with SessionError when it refused us, or nothing came."""
        self._closed: asyncio.Future[None] = self._loop.create_future()
        self._replies = Replies(address, answer_timeout)
        self._heartbeat = Heartbeat(connect.keepalive, ping=self._ping, dead=self._unanswered)
        self._pings: deque[asyncio.Future[None] | None] = deque()
        """The PINGREQs not answered yet, in order, and who waits for the answer."""
        self._asked_at = 0.0
        """When CONNECT went out."""
        self._coalesce = coalesce
        self._read_at = float("-inf")
        self._gathering: asyncio.TimerHandle | None = None
        """Until it fires the socket fills, unread."""
        self._ended = False
        self._writable = True
        self.lost = self._loop.create_future()
        self.stray_pubacks = 0
        """PUBACKs for no message in flight: unknown ids, duplicates. Ignored."""
        self.offence = 0
        """Bytes of the largest payload under way when the broker ended the connection for a packet's size; else 0."""

    # What the application asks for

    async def subscribe(self, filters: Sequence[tuple[str, int]], *, retain_handling: int = 1) -> list[int]:
        """A SUBACK reason code per (filter, QoS 0 or 1): the QoS granted, or a refusal from 0x80 on.

        Retain handling 1 brings retained messages only where the subscription is new (MQTT 5 §3.8.3.1); on
        3.1.1 they come every time. Raises SessionError when no SUBACK comes, ValueError for a filter that has
        no MQTT encoding.
        """

        def packet(packet_id: int) -> bytes:
            return encode.subscribe(packet_id, filters, retain_handling=retain_handling, version=self.version)

        return await self._request(packet, len(filters))

    async def unsubscribe(self, filters: Sequence[str]) -> list[int]:
        """An UNSUBACK reason code per filter. Raises like `subscribe`."""
        # The UNSUBACK of 3.1.1 has none; it cannot refuse.
        answers = len(filters) if self.version == VERSION_5 else 0
        codes = await self._request(
            lambda packet_id: encode.unsubscribe(packet_id, filters, version=self.version), answers
        )
        return codes or [reason.SUCCESS] * len(filters)

    def limit(self, size: int) -> None:
        """No larger packets than `size` bytes are published, whatever the broker's CONNACK allows."""
        self._outbox.limit(size)

    def acknowledge(self, packet_ids: Iterable[int]) -> None:
        """PUBACKs in the order given, which must be that of arrival [MQTT-4.6.0-2]; nothing once lost."""
        if not self._ended and (data := encode.pubacks(packet_ids)):
            self._write(data)

    async def publish(self, messages: Sequence[Message]) -> list[int | None]:
        """A reason code per message, in order; None where the connection was lost before its PUBACK.

        QoS 1. Calls that overlap go out first come, first served. What the broker would have to refuse is
        not sent and gets its code from us: 0x90 no topic name, 0x95 too large, 0x9A no retain, 0x9B no QoS 1.
        On 3.1.1 a broker cannot say no: success is all it ever answers, whatever it does with the message.
        """
        done = asyncio.Event()
        batch = Batch(messages, done.set)
        if self._ended:
            return batch.codes
        self._outbox.add(batch)
        self._pump()
        try:
            await done.wait()
        except asyncio.CancelledError:
            self._outbox.withdraw(batch)
            raise
        return batch.codes

    async def ping(self) -> None:
        """Returns when the broker has answered: by then it has taken in all that was sent before, PUBACKs too.

        Raises SessionError when the connection ends first.
        """
        if self._ended:
            raise SessionError(f"{self.address}: the connection has ended")
        answered: asyncio.Future[None] = self._loop.create_future()
        self._ping(answered)
        await answered

    def pause_reading(self) -> None:
        """Lets what the broker sends wait in the socket. Idempotent."""
        if not self._heartbeat.deaf and not self._ended:
            self._heartbeat.deaf = True
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Idempotent. Silence of the broker counts from here."""
        if self._heartbeat.deaf:
            self._heartbeat.deaf = False
            self._heartbeat.heard()
            if self._gathering is None and not self._transport.is_closing():
                self._transport.resume_reading()

    async def close(self, reason_code: int = 0) -> None:
        """DISCONNECT, then the end of the connection; with 0x04 the broker sends the will. Idempotent."""
        if not self._ended:
            self._say_goodbye(reason_code)
            self._end(None)
            # The broker closes. Closing first, with unread bytes in the socket, would send a reset that
            # may overtake our DISCONNECT.
            if self._transport.can_write_eof():
                # The broker may have gone a moment ago; connection_lost is on its way then.
                with contextlib.suppress(OSError):
                    self._transport.write_eof()
            self.resume_reading()
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT):
                await asyncio.shield(self._closed)
        except TimeoutError:
            self._transport.abort()

    def abort(self) -> None:
        """Cuts the connection without DISCONNECT, so that the broker sends the will."""
        self._end(None)
        self._transport.abort()

    # What the transport calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._asked_at = self._loop.time()
        self._write(encode.connect(self._connect, self.version))

    def data_received(self, data: bytes) -> None:
        if self._ended:
            return
        self._heartbeat.heard()
        try:
            self._dispatch(self._decoder.feed(data))
        except ProtocolError as error:
            try:
                self._dispatch(error.before)
            except ProtocolError as earlier:
                error = earlier
            if self._ended:
                return
            self._say_goodbye(error.reason_code)
            self._end(SessionError(f"{self.address}: the broker broke the protocol: {error}"))
            self._transport.close()
        if self._coalesce and not self._ended:
            self._gather()

    def pause_writing(self) -> None:
        self._writable = False

    def resume_writing(self) -> None:
        self._writable = True
        self._pump()

    def connection_lost(self, exc: Exception | None) -> None:
        unanswered = not self.opened.done() and (exc is None or isinstance(exc, ConnectionError))
        error = SessionError(f"{self.address}: {describe(exc)}", unanswered=unanswered)
        error.__cause__ = exc
        self._end(error)
        self._closed.set_result(None)

    # What follows from it

    def _gather(self) -> None:
        now = self._loop.time()
        if now - self._read_at < self._coalesce and not self._outbox.stalled:
            self._transport.pause_reading()
            self._gathering = self._loop.call_later(self._coalesce, self._read_on)
        self._read_at = now

    def _read_on(self) -> None:
        self._gathering = None
        self._read_at = self._loop.time()
        if not self._heartbeat.deaf and not self._transport.is_closing():
            self._transport.resume_reading()

    def _dispatch(self, packets: list[Packet]) -> None:
        """One burst. Publishes go to the application together, behind all that was acknowledged with them."""
        if not packets:
            return
        if not self.opened.done():
            self._open(packets.pop(0))
            if self._ended:
                return
        publishes: list[Publish] = []
        ended: Disconnect | None = None
        acknowledge = self._outbox.acknowledge
        for packet in packets:
            if type(packet) is Publish:
                publishes.append(packet)
            elif type(packet) is Puback:
                self.stray_pubacks += not acknowledge(packet.packet_id, packet.reason_code)
            elif type(packet) is Suback or type(packet) is Unsuback:
                self._replies.arrived(packet.packet_id, packet.reason_codes)
            elif type(packet) is Pingresp:
                self._pinged()
            elif type(packet) is Disconnect:
                ended = packet
                break
            elif type(packet) is Connack:
                raise ProtocolError("a second CONNACK [MQTT-3.2.0-2]", reason.PROTOCOL_ERROR)
        if publishes:
            self._on_publish(publishes)
        if ended is not None:
            why = f"the broker ended the connection: {self._reason(ended)}"
            if ended.reason_code == reason.PACKET_TOO_LARGE:
                self.offence = self._outbox.largest
            self._end(SessionError(f"{self.address}: {why}", ended.reason_code))
            self._transport.close()
        else:
            self._pump()

    def _open(self, packet: Packet) -> None:
        if type(packet) is not Connack:
            raise ProtocolError(f"{type(packet).__name__.upper()} ahead of CONNACK", reason.PROTOCOL_ERROR)
        self.connack = packet
        self._outbox = Outbox(packet, self.version)
        if packet.reason_code:
            why = f"the broker refused the connection: {self._reason(packet)}"
            self._end(SessionError(f"{self.address}: {why}", packet.reason_code))
            self._transport.close()
            return
        self.opened.set_result(None)
        self._heartbeat.start(self._transport, self._outbox, packet, self._loop.time() - self._asked_at)

    def _pump(self) -> None:
        """Sends what Receive Maximum and the transport let through."""
        while self._writable and not self._ended and (data := self._outbox.take(WRITE_CHUNK)):
            self._write(data)

    def _write(self, data: bytes) -> None:
        self._heartbeat.sent()
        self._transport.write(data)

    def _say_goodbye(self, reason_code: int) -> None:
        """On 3.1.1 a DISCONNECT says that all is well; anything else is said by leaving it out (§3.14)."""
        if self.version == VERSION_5 or reason_code == reason.SUCCESS:
            self._write(encode.disconnect(reason_code, version=self.version))

    async def _request(self, packet: Callable[[int], bytes], filters: int) -> list[int]:
        if self._ended:
            raise SessionError(f"{self.address}: the connection has ended")
        packet_id = self._outbox.reserve_id()
        try:
            with self._replies.due(packet_id) as reply:
                self._write(packet(packet_id))
                return await self._replies.wait(reply, filters)
        finally:
            self._outbox.release_id(packet_id)

    def _ping(self, answered: "asyncio.Future[None] | None" = None) -> None:
        self._pings.append(answered)
        self._write(encode.PINGREQ)

    def _pinged(self) -> None:
        answered = self._pings.popleft() if self._pings else None
        if answered is not None and not answered.done():
            answered.set_result(None)

    def _unanswered(self, silence: str) -> None:
        self._end(SessionError(f"{self.address}: {silence}"))
        self._transport.abort()

    def _reason(self, packet: Connack | Disconnect) -> str:
        """A broker may repeat the password it was sent. Where it sends us is told, not followed: the URL is trusted."""
        why = reason.describe(packet.reason_code)
        if packet.reason_string:
            why += f", {self._mask(packet.reason_string)!r}"
        if packet.server_reference:
            why += f"; it names {self._mask(packet.server_reference)!r}: set that as url"
        return why

    def _end(self, error: SessionError | None) -> None:
        """Settles all that waits on this connection, once."""
        if self._ended:
            return
        self._ended = True
        self._heartbeat.stop()
        if self._gathering is not None:
            # What still comes must be read, or the end of the connection would never be seen.
            self._gathering.cancel()
            self._read_on()
        # Whoever waited for it may have been cancelled, and the future with it.
        if not self.lost.done():
            self.lost.set_result(error)
        failure = error or SessionError(f"{self.address}: the connection has been closed")
        self._replies.fail(failure)
        for ping in self._pings:
            if ping is not None and not ping.done():
                ping.set_exception(failure)
        self._outbox.abandon()
        if not self.opened.done():
            self.opened.set_exception(failure)
