"""The values that travel: a frame comes off the wire, a profile makes readings of it."""

import functools
import time
from typing import Any, Literal

import msgspec


class Frame(msgspec.Struct, gc=False, frozen=True):
    """One message as it came off the wire.

    `token` is what the source needs to acknowledge it (an MQTT packet id); 0 where nothing can be
    re-sent. `again` says that the far end marked it as sent before (MQTT DUP in a resumed session).
    """

    payload: bytes
    topic: str | None = None
    token: int = 0
    again: bool = False


class Decoded(msgspec.Struct, gc=False, frozen=True):
    """What a profile read out of one frame, before the collector stamps it.

    `device` is the identity the frame or topic itself carries, None where it carries none;
    `time_ns` the payload's own time, only where the profile is told to trust it; `units` those that stand in
    the frame itself.
    """

    device: str | None
    fields: dict[str, Any]
    time_ns: int | None = None
    suspect: list[str] | None = None
    units: dict[str, str] | None = None


class Reading(msgspec.Struct, omit_defaults=True, gc=False):
    """One device, one instant, named fields. As JSON it is what segments hold and what a batch sends."""

    seq: int
    """Its number in this run of the process; 0 until the spool has taken it in."""
    source: str
    device: str
    time_ns: int
    """Unix time in nanoseconds, as the wall clock stood when the frame arrived or as the payload says."""
    clock: Literal["synced", "corrected", "unsynced"]
    """Whether that clock was right; a time that the payload brought is the device's word, and not doubted."""
    fields: dict[str, Any]
    suspect: list[str] | None = None
    """Keys whose value lies outside the profile's plausible range."""


@functools.lru_cache(maxsize=16)
def rfc3339(time_ns: int) -> str:
    """Unix time in nanoseconds as UTC to the microsecond. Remembered: the readings of a burst share theirs."""
    seconds, nanoseconds = divmod(time_ns, 1_000_000_000)
    return f"{_second(seconds)}.{nanoseconds // 1000:06d}Z"


@functools.lru_cache(maxsize=16)
def _second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
