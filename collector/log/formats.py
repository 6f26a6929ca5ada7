"""One log line as bytes: for a terminal, as ECS JSON, and in journald's native protocol."""

import logging
import time
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec

from collector import __version__

Format = Callable[[logging.LogRecord, int], bytes]
"""Takes a record and how many like it were left out before it."""

IDENTIFIER = "edge-collector"
ECS_VERSION = "8.11.0"
LONGEST = 8192
"""Characters of one message, traceback included; what a far end has sent may stand in it."""

_PRIORITIES = {"DEBUG": 7, "INFO": 6, "WARNING": 4, "ERROR": 3, "CRITICAL": 2}
"""syslog(3). journald writes what is critical to disk at once, the rest within five minutes."""
_COLOURS = {"DEBUG": "2", "WARNING": "33", "ERROR": "31", "CRITICAL": "1;31"}


def text(record: logging.LogRecord, suppressed: int, *, colour: bool = False) -> bytes:
    """For people: short time, level, message."""
    level = f"{record.levelname.lower():<8}"
    if colour and record.levelname in _COLOURS:
        level = f"\x1b[{_COLOURS[record.levelname]}m{level}\x1b[0m"
    moment = time.strftime("%H:%M:%S", time.localtime(record.created))
    return _encode(f"{moment} {level} {_message(record, suppressed)}\n")


def coloured_text(record: logging.LogRecord, suppressed: int) -> bytes:
    return text(record, suppressed, colour=True)


def ecs(record: logging.LogRecord, suppressed: int) -> bytes:
    """The first four fields are what ecs-logging demands, in its order."""
    moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
    line: dict[str, Any] = {
        "@timestamp": moment.replace("+00:00", "Z"),
        "log.level": record.levelname.lower(),
        "message": _message(record, suppressed, with_traceback=False),
        "ecs.version": ECS_VERSION,
        "service.name": IDENTIFIER,
        "service.version": __version__,
        "log.logger": record.name,
    }
    event = getattr(record, "event", None)
    if event is not None:
        line["event.action"] = event.code
    if labels := _labels(record, suppressed):
        line["labels"] = labels
    if record.exc_info and record.exc_info[0] is not None:
        line["error.type"] = record.exc_info[0].__name__
        line["error.message"] = _printable(str(record.exc_info[1]))[:LONGEST]
        line["error.stack_trace"] = _traceback(record)[-LONGEST:]
    return msgspec.json.encode(_without_surrogates(line)) + b"\n"


def journal(record: logging.LogRecord, suppressed: int) -> bytes:
    """A datagram of https://systemd.io/JOURNAL_NATIVE_PROTOCOL/."""
    fields = {
        "MESSAGE": _message(record, suppressed),
        "PRIORITY": str(_PRIORITIES.get(record.levelname, 6)),
        "SYSLOG_IDENTIFIER": IDENTIFIER,
        "CODE_FILE": record.pathname,
        "CODE_LINE": str(record.lineno),
        "CODE_FUNC": record.funcName or "",
        "LOGGER": record.name,
    }
    event = getattr(record, "event", None)
    if event is not None:
        fields |= {"MESSAGE_ID": event.message_id, "EVENT": event.code}
    fields |= {name.upper(): value for name, value in _labels(record, suppressed).items()}
    return b"".join(_field(name, _encode(value)) for name, value in fields.items())


def _field(name: str, value: bytes) -> bytes:
    """A value with a line break in it would end its field, and what follows could pose as another."""
    if b"\n" not in value:
        return b"%s=%s\n" % (name.encode(), value)
    return b"%s\n%s%s\n" % (name.encode(), len(value).to_bytes(8, "little"), value)


def _labels(record: logging.LogRecord, suppressed: int) -> dict[str, str]:
    labels = {name: _printable(str(value))[:LONGEST] for name, value in getattr(record, "labels", {}).items()}
    return labels | ({"suppressed": str(suppressed)} if suppressed else {})


def _message(record: logging.LogRecord, suppressed: int, *, with_traceback: bool = True) -> str:
    message = _printable(record.getMessage())
    if len(message) > LONGEST:
        message = f"{message[:LONGEST]}..."
    if suppressed:
        message += f" (and {suppressed} more like it, left out)"
    if with_traceback and record.exc_info:
        message += f"\n{_traceback(record)[-LONGEST:]}"
    return message


def _traceback(record: logging.LogRecord) -> str:
    lines = "".join(traceback.format_exception(*record.exc_info)).splitlines() if record.exc_info else []
    return "\n".join(map(_printable, lines))


def _printable(message: str) -> str:
    """A device's or broker's words may hold line breaks and escape sequences: neither forges a line here."""
    if message.isprintable():
        return message
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in message)


def _encode(message: str) -> bytes:
    return message.encode("utf-8", "backslashreplace")


def _without_surrogates(line: dict[str, Any]) -> dict[str, Any]:
    """File names that are no UTF-8 come with lone surrogates, which JSON cannot hold."""
    return {
        key: _without_surrogates(value) if isinstance(value, dict) else _encode(value).decode()
        for key, value in line.items()
    }
