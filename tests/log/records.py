"""Log records as the daemon makes them."""

import logging
import sys

from collector.log.events import Event


def record(
    event: Event | None, message: str, *arguments: object, error: bool = False, **labels: str
) -> logging.LogRecord:
    level = event.level if event is not None else logging.WARNING
    caught = sys.exc_info() if error else None
    made = logging.LogRecord("edge_collector", level, "/a/file.py", 7, message, arguments, caught, "function")
    made.created = 1767366245.678
    if event is not None:
        made.event, made.labels = event, labels
    return made
