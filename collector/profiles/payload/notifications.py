"""JSON messages that tell only what has changed: they are laid over what the device said before.

Every reading then holds the whole status as far as it is known. The memory lives with the source; after a restart a
reading holds what its own message carries, until the device sends its full status again.
"""

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from collector.errors import FrameError
from collector.profiles.table import Table

MAX_DEVICES = 256
"""Whose status is remembered; of more, the one not heard of for longest is forgotten."""

Flatten = Callable[[dict[str, Any]], dict[str, Any]]


class Notifications(Table, frozen=True, kw_only=True):
    """Messages that have the key `by` are notifications; others are read as they are."""

    by: str
    full: list[str]
    """Values of that key for messages with the whole status."""
    delta: list[str]
    ignore: list[str] = []
    root: str
    """Where in the message the status stands."""
    device: str
    """Key of the device's identity."""

    def mistakes(self) -> Iterable[tuple[str, str]]:
        kinds = [*self.full, *self.delta, *self.ignore]
        for kind in sorted({kind for kind in kinds if kinds.count(kind) > 1}):
            yield "delta", f"{kind!r} stands more than once among full, delta and ignore"


class Overlay:
    """The last status of each device."""

    def __init__(self, declared: Notifications) -> None:
        self._declared = declared
        self._known: dict[str, dict[str, Any]] = {}

    def fields(self, message: dict[str, Any], flatten: Flatten) -> tuple[str | None, dict[str, Any]] | None:
        """Device and status after a notification; None for one to be ignored. Raises FrameError."""
        declared = self._declared
        kind, status = message[declared.by], message.get(declared.root)
        if kind in declared.ignore:
            return None
        if kind not in declared.full and kind not in declared.delta:
            raise FrameError("kind", f"{declared.by} is {str(kind)[:40]!r}, which this profile does not know")
        if not isinstance(status, dict) or not status:
            raise FrameError("empty", f"no object {declared.root!r} with values")
        found = message.get(declared.device)
        device = found if isinstance(found, str) and found else None
        fields = flatten(status)
        if device is None:  # whose status it changes nobody knows
            return None, fields
        if kind in declared.delta:
            fields = self._known.get(device, {}) | fields
        self._remember(device, fields)
        return device, fields

    def _remember(self, device: str, fields: dict[str, Any]) -> None:
        self._known.pop(device, None)
        self._known[device] = fields
        if len(self._known) > MAX_DEVICES:
            del self._known[next(iter(self._known))]


def as_object(payload: bytes) -> dict[str, Any] | None:
    """None for what is no JSON object."""
    try:
        value = msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
