"""Which form the log takes where, and its beginning and end."""

import contextlib
import logging
import os
import sys
from collections.abc import Iterator
from typing import Literal

from collector.log import formats
from collector.log.destination import JOURNAL_SOCKET, Descriptor, Destination, Journald, is_journal
from collector.log.events import LOGGER
from collector.log.handler import QueueHandler


@contextlib.contextmanager
def logging_to_stderr(form: Literal["auto", "json"], level: str) -> Iterator[QueueHandler]:
    """What is logged in the block goes out once the handler is started; libraries from warnings on only."""
    # Started with stderr closed, the next file opened would be number 2, and the log would go into it.
    stderr = sys.stderr.fileno() if sys.stderr is not None else os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    destination, to_bytes = choose(form, stderr, os.environ.get("JOURNAL_STREAM"))
    handler = QueueHandler(destination, to_bytes)
    root, ours = logging.getLogger(), logging.getLogger(LOGGER)
    root.setLevel(logging.WARNING)
    ours.setLevel(level.upper())
    root.addHandler(handler)
    try:
        yield handler
    finally:
        root.removeHandler(handler)
        handler.close()


def choose(
    form: Literal["auto", "json"], stderr: int, journal_stream: str | None
) -> tuple[Destination, formats.Format]:
    """`auto`: journald's fields under systemd, text on a terminal, else ECS JSON, as is `json` everywhere."""
    if form == "auto":
        if JOURNAL_SOCKET.is_socket() and is_journal(stderr, journal_stream):
            return Journald(), formats.journal
        if os.isatty(stderr):
            plain = "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb"
            return Descriptor(stderr), formats.text if plain else formats.coloured_text
    return Descriptor(stderr), formats.ecs
