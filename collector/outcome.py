"""What a sink says of a delivery."""

from dataclasses import dataclass, field
from typing import Literal

Verdict = Literal["settled", "retry", "too large", "hold"]


@dataclass(slots=True)
class Outcome:
    """The answer to one delivery of readings `lo` to `hi` of a segment.

    `settled` and `dead` hold positions in the segment; `verdict` speaks for all the others:
    "settled" (there are none, or they are settled too), "retry" (after `delay` seconds at least),
    "too large" (split in halves), "hold" (not authorised: keep everything, tell the operator).
    """

    verdict: Verdict = "settled"
    settled: list[int] = field(default_factory=list)
    dead: dict[int, str] = field(default_factory=dict)
    reason: str = ""
    delay: float = 0.0
