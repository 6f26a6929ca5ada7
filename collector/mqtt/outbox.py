"""What is to be published and what awaits its PUBACK. Pure: no I/O, no clock."""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from collector.mqtt import encode, reason
from collector.mqtt.packets import VERSION_5, Connack, Message

WINDOW_LIMIT: Final = 32_768
"""Half of all packet ids, so that a free one is found at once whatever Receive Maximum allows."""

WINDOW_3_1_1: Final = 100
"""On 3.1.1 a broker does not say what it takes. This is the least that is documented: AWS IoT Core's quota of
unacknowledged messages a client."""


NARROW: Final = 200
"""A window smaller than this is used up at once: every PUBACK that is not read holds up the next message."""


class Batch:
    """The messages of one publish. `codes` fills up as the broker answers; when it is full, `done` is called."""

    __slots__ = ("codes", "done", "messages", "open", "position")

    def __init__(self, messages: Sequence[Message], done: Callable[[], None]) -> None:
        self.messages = messages
        self.done = done
        self.codes: list[int | None] = [None] * len(messages)
        self.open = len(messages)
        """Messages without a reason code yet."""
        self.position = 0
        """The next message to go out."""

    def settle(self, index: int, code: int) -> None:
        self.codes[index] = code
        self.open -= 1
        if not self.open:
            self.done()


class Outbox:
    """Messages leave first in, first out, at QoS 1, and only as many at a time as CONNACK allows."""

    def __init__(self, connack: Connack, version: int = VERSION_5) -> None:
        self._window = min(connack.receive_maximum, WINDOW_LIMIT if version == VERSION_5 else WINDOW_3_1_1)
        self._version = version
        self._maximum_packet_size = connack.maximum_packet_size
        self._maximum_qos = connack.maximum_qos
        self._retain_available = connack.retain_available
        self._queue: deque[Batch] = deque()
        self._in_flight: dict[int, tuple[Batch, int]] = {}
        self._reserved: set[int] = set()
        self._last_id = 0

    @property
    def in_flight(self) -> int:
        """Messages sent and not yet acknowledged."""
        return len(self._in_flight)

    @property
    def oldest(self) -> object:
        """The message that has waited longest for its PUBACK, another object for each; None when none waits."""
        return next(iter(self._in_flight.values()), None)

    @property
    def largest(self) -> int:
        """Bytes of the largest payload that waits for its PUBACK."""
        return max((len(batch.messages[index].payload) for batch, index in self._in_flight.values()), default=0)

    @property
    def stalled(self) -> bool:
        """Messages wait because the broker takes only a few at a time."""
        return self._window < NARROW and bool(self._queue)

    def limit(self, size: int) -> None:
        """Beyond what CONNACK says, no packet of more than `size` bytes leaves."""
        self._maximum_packet_size = min(self._maximum_packet_size, size)

    def add(self, batch: Batch) -> None:
        if batch.open:
            self._queue.append(batch)
        else:
            batch.done()

    def take(self, size: int) -> bytes:
        """The next packets to send, `size` bytes or a little more; empty when none is waiting or may go."""
        packets: list[bytes] = []
        while self._queue and size > 0 and len(self._in_flight) < self._window:
            batch = self._queue[0]
            index = batch.position
            batch.position += 1
            if batch.position == len(batch.messages):
                self._queue.popleft()
            packet = self._encode(batch, index)
            if packet:
                packets.append(packet)
                size -= len(packet)
        return b"".join(packets)

    def _encode(self, batch: Batch, index: int) -> bytes:
        """Registers the message as in flight, or settles it where the broker would have to refuse it."""
        message = batch.messages[index]
        packet_id = self._next_id()
        code = 0
        packet = b""
        try:
            packet = encode.publish(message, packet_id, version=self._version)
        except ValueError:
            code = reason.TOPIC_NAME_INVALID
        if self._maximum_qos < 1:
            code = reason.QOS_NOT_SUPPORTED
        elif message.retain and not self._retain_available:
            code = reason.RETAIN_NOT_SUPPORTED
        elif len(packet) > self._maximum_packet_size:
            code = reason.PACKET_TOO_LARGE
        if code:
            batch.settle(index, code)
            return b""
        self._in_flight[packet_id] = (batch, index)
        return packet

    def acknowledge(self, packet_id: int, code: int) -> bool:
        """Whether a message with this id was in flight."""
        entry = self._in_flight.pop(packet_id, None)
        if entry is None:
            return False
        batch, index = entry
        batch.settle(index, code)
        return True

    def withdraw(self, batch: Batch) -> None:
        """Nobody waits for `batch` any longer: what was not sent stays unsent."""
        if batch in self._queue:
            self._queue.remove(batch)

    def abandon(self) -> None:
        """The connection is gone: every batch is done, with None where no PUBACK came."""
        batches = {id(batch): batch for batch, _ in self._in_flight.values()}
        batches |= {id(batch): batch for batch in self._queue}
        self._in_flight.clear()
        self._queue.clear()
        for batch in batches.values():
            batch.done()

    def reserve_id(self) -> int:
        """A packet id for a SUBSCRIBE or UNSUBSCRIBE, which share the ids with PUBLISH (MQTT 5 §2.2.1)."""
        packet_id = self._next_id()
        self._reserved.add(packet_id)
        return packet_id

    def release_id(self, packet_id: int) -> None:
        self._reserved.discard(packet_id)

    def _next_id(self) -> int:
        packet_id = self._last_id % 65535 + 1
        while packet_id in self._in_flight or packet_id in self._reserved:
            packet_id = packet_id % 65535 + 1
        self._last_id = packet_id
        return packet_id
