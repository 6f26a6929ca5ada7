"""A listening Unix socket that only its owner may open."""

import os
import socket
from pathlib import Path


def listen(path: Path, backlog: int) -> socket.socket:
    """Raises OSError, also where something stands at `path`."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        os.fchmod(listener.fileno(), 0o600)  # before bind, so that the file never has another mode
        listener.bind(os.fspath(path))
        listener.listen(backlog)
    except BaseException:
        listener.close()
        raise
    return listener
