"""How every verb of `spool` asks, shows and fails."""

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from collector.config.load import Loaded

if TYPE_CHECKING:
    from collector.control.protocol import Done, Request


def ask(
    loaded: Loaded,
    request: "Request",
    show: "Callable[[Done], None]",
    take: Callable[[bytes], None] = lambda lines: None,
) -> int:
    """Asks, hands data lines to `take` and the end to `show`; returns the exit code. Raises CollectorError."""
    from collector.control import client

    os.umask(0o077)
    try:
        show(client.ask(loaded, request, take))
    finally:
        sys.stdout.flush()
    return 0


def through(lines: bytes) -> None:
    """To standard output as they are."""
    sys.stdout.write(lines.decode())
    sys.stdout.flush()


def printable(text: str) -> str:
    """Words of other machines, safe for a terminal."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
