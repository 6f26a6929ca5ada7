"""The two contracts that the wiring drives: a source and a sink. Retry, pacing, accounting and logging
live in the wiring, once; a source or sink only opens, moves data and says what went wrong."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from collector.errors import SinkError
from collector.reading import Decoded, Frame
from collector.segment import Part

Verdict = Literal["settled", "retry", "too large", "hold"]


@dataclass(slots=True)
class Outcome:
    """What a sink says of one delivery.

    `settled` and `dead` hold positions in the segment; `verdict` speaks for all the others:
    "settled" (they are too), "retry" (after `delay` seconds at least), "too large" (split in
    halves; also how the one reading is found for which a far end refuses the whole part), "hold"
    (not authorised: keep everything, tell the operator).
    """

    verdict: Verdict = "settled"
    settled: Sequence[int] = ()
    dead: dict[int, str] = field(default_factory=dict)
    reason: str = ""
    delay: float = 0.0


class Sink(Protocol):
    """Delivers segments. One object lives as long as its configuration; `open` and `close` alternate."""

    concurrency: int
    """Deliveries worth having in flight at once."""
    whole: bool
    """A part is settled whole or not at all: what is retried keeps the bounds of its first attempt."""

    @property
    def note(self) -> str:
        """What the operator should know of this far end; empty when there is nothing."""

    async def open(self) -> "asyncio.Future[SinkError] | None":
        """Connects. Raises SinkError; the future returned is done when the connection is lost.

        None where no connection stands: only the first delivery that is answered tells that the far end is there.
        """

    async def deliver(self, part: Part) -> Outcome:
        """Answers once every reading of the part has its outcome. Never raises; a lost connection is "retry"."""

    async def close(self) -> None:
        """Ends the connection in good order. Idempotent."""


class Intake(Protocol):
    """What the wiring hands to a source. All calls are synchronous, made from the event loop, and cheap."""

    def session(self, present: bool) -> None:
        """Called before the first frame of a connection: whether the far end remembers what it sent before."""

    def connected(self) -> None:
        """Open, or subscribed."""

    def raw(self, data: bytes) -> None:
        """Bytes as they came off a line, before anything is made of them; for a recording."""

    def frames(self, frames: list[Frame]) -> None:
        """Frames in order of arrival, a burst at a time; those with a token are acknowledged once safe."""

    def readings(self, decoded: list[Decoded]) -> None:
        """Readings that need no profile."""

    def refused(self, reason: str, count: int, detail: str, tokens: Sequence[int] = ()) -> None:
        """Frames that will never be readings: counted, one line at most now and then, tokens acknowledged in turn."""

    def trouble(self, device: str | None, what: str | None) -> None:
        """How one device stands while the source itself is open: what is wrong with it, None when nothing is.

        `device` is None where the source has but one.
        """

    def asking(self) -> bool:
        """A question is about to follow all acknowledgements to the far end; False if its answer would tell nothing."""

    def answered(self) -> None:
        """It has been answered, and what arrived ahead of the answer has been handed in."""

    def received(self, count: int, qos: int) -> None:
        """Counts messages by QoS; only MQTT has one."""


class Source(Protocol):
    """Reads a device or a broker."""

    @property
    def window(self) -> int:
        """Most frames the far end hands over unacknowledged; 0 where nothing is acknowledged."""

    async def run(self, intake: Intake) -> None:
        """Opens, then feeds the intake until the source is lost: raises SourceError. Cancellation closes it."""

    def acknowledge(self, tokens: Sequence[int]) -> None:
        """Everything those tokens stand for is safe. Called in order of arrival; tokens of a lost connection never."""

    def pause(self, paused: bool) -> None:
        """Stop or go on reading: the spool has no room for the moment."""
