"""A payload's own time, as nanoseconds since 1970."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal
from zoneinfo import ZoneInfo

TimeUnit = Literal["s", "ms", "us", "ns", "iso8601"]

_NANOSECONDS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def time_zone(name: str) -> ZoneInfo:
    """Raises ValueError with what to write instead."""
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        known = "name one such as Europe/Amsterdam, and see that tzdata is installed"
        raise ValueError(f"{name!r} is not known here; {known}") from None


def instant(unit: TimeUnit, zone: ZoneInfo | None = None) -> Callable[[Any], int | None]:
    """Converts a value to Unix nanoseconds; None for what is no such time, or not after 1970.

    `zone` is that of times that name none; in the hour that comes twice the first is meant.
    """
    if unit == "iso8601":
        return lambda value: _bounded(_iso8601(value, zone)) if isinstance(value, str) else None
    factor = _NANOSECONDS[unit]

    def number(value: Any) -> int | None:
        if type(value) is int:
            return _bounded(value * factor)
        # By way of the decimal that was sent: 1732374245.1 s has no float64 that is exact to the nanosecond.
        return _bounded(int(Decimal(repr(value)) * factor)) if type(value) is float else None

    return number


def _iso8601(text: str, zone: ZoneInfo | None) -> int | None:
    """None without any zone: local time of a device in an unknown zone is no instant."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        if zone is None:
            return None
        moment = moment.replace(tzinfo=zone)
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1000


def _bounded(ns: int | None) -> int | None:
    return ns if ns is not None and 0 < ns < 2**63 else None
