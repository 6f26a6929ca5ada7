"""What is said on the control socket: one line asks, lines of data answer, a last line says how it ended.

All lines are JSON. A data line is never a `Done` or a `Failed`, so an answer without one of them at its end was
cut off.
"""

import os
from typing import Any

import msgspec

SOCKET = "control.sock"
"""In the directory of the tail journal."""

REQUEST_BYTES = 65536
"""Longest request."""


class Stats(msgspec.Struct, tag_field="verb", tag="stats", forbid_unknown_fields=True):
    """`Done.result` is a `stats.Report`; no data."""


class Export(msgspec.Struct, tag_field="verb", tag="export", forbid_unknown_fields=True):
    """Data: readings as on the wire, those some sink still waits for, or the dead letters."""

    sink: str | None = None
    dead: bool = False


class Dead(msgspec.Struct, tag_field="verb", tag="dead", forbid_unknown_fields=True):
    """Data: a `Letter` each."""

    sink: str | None = None


class Requeue(msgspec.Struct, tag_field="verb", tag="requeue", forbid_unknown_fields=True):
    """Of all sinks, or of one; `ids` None means all letters."""

    sink: str | None = None
    ids: list[str] | None = None
    """Each epoch/seq, or collector/epoch/seq."""


class Forget(msgspec.Struct, tag_field="verb", tag="forget", forbid_unknown_fields=True):
    sink: str


Request = Stats | Export | Dead | Requeue | Forget


class Question(msgspec.Struct, forbid_unknown_fields=True):
    spool: str
    """`identity` of the data directory that the asker means."""
    request: Request


class Letter(msgspec.Struct, omit_defaults=True):
    """A dead letter as it is shown."""

    id: str
    sink: str
    reason: str
    """The sink's words."""
    device: str | None = None
    """None, like `time`, where the stored reading is damaged."""
    time: str | None = None


class Done(msgspec.Struct, tag_field="end", tag="done"):
    result: dict[str, Any] = {}


class Failed(msgspec.Struct, tag_field="end", tag="failed"):
    error: str
    """One line."""


def identity(status: os.stat_result) -> str:
    """Of the lock file: the same by whatever path a data directory is reached."""
    return f"{status.st_dev}:{status.st_ino}"
