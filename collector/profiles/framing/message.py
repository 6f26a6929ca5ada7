"""No framing: whoever delivers the bytes delivers one whole frame each time (MQTT)."""

from collections.abc import Callable

from collector.profiles.framing.framer import Framer
from collector.profiles.table import Table


class MessageFraming(Table, frozen=True, kw_only=True, tag="message"):
    @property
    def frame_lengths(self) -> list[int]:
        return []

    def framer(self, verify: Callable[[bytes], bool] | None) -> Framer:
        return MessageFramer(verify)

    def refusal(self, frame: bytes) -> str | None:
        return None


class MessageFramer(Framer):
    def __init__(self, verify: Callable[[bytes], bool] | None) -> None:
        super().__init__()
        self._verify = verify

    def feed(self, data: bytes) -> list[bytes]:
        if self._verify is None or self._verify(data):
            return [data]
        self.refused["checksum"] += 1
        self.garbage_bytes += len(data)
        return []

    def end(self) -> list[bytes]:
        return []
