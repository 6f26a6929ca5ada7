"""An intake that remembers what it was handed."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence

from collector.reading import Decoded, Frame


class RecordingIntake:
    def __init__(self) -> None:
        self.connections = 0
        self.bytes = b""
        self.payloads: list[bytes] = []
        self.taken: list[Decoded] = []
        self.refusals: Counter[str] = Counter()
        self.details: list[str] = []
        self.troubles: list[tuple[str | None, str | None]] = []

    def connected(self, session_present: bool = True) -> None:
        self.connections += 1

    def raw(self, data: bytes) -> None:
        self.bytes += data

    def frames(self, frames: list[Frame]) -> None:
        self.payloads += [frame.payload for frame in frames]

    def readings(self, decoded: list[Decoded]) -> None:
        self.taken += decoded

    def refused(self, reason: str, count: int, detail: str, tokens: Sequence[int] = ()) -> None:
        self.refusals[reason] += count
        self.details.append(detail)

    def trouble(self, device: str | None, what: str | None) -> None:
        self.troubles.append((device, what))

    def asking(self) -> bool:
        return False

    def answered(self) -> None:
        raise AssertionError("nothing was asked")

    def received(self, count: int, qos: int) -> None:
        raise AssertionError("only MQTT counts messages by QoS")


async def until(condition: Callable[[], object], seconds: float = 5.0) -> None:
    """Waits for what another part does in its own time."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.002)
