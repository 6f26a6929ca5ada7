"""What ended or prevented a connection, in words for a person."""

import errno
import socket
import ssl

from collector import tls


def describe(error: BaseException | None) -> str:
    """What ended or prevented a connection, in words for a person; None is a plain end of stream."""
    match error:
        case None:
            return "the broker closed the connection"
        case UnicodeError():
            return "no such host (not a name DNS can hold)"
        case socket.gaierror():
            return f"no such host ({error.strerror})"
        case ssl.SSLError():
            return tls.describe(error, "broker")
        case TimeoutError(errno=None):
            return "no answer in time"
        case ConnectionRefusedError():
            return "connection refused: no broker listens there"
        case ConnectionResetError() | BrokenPipeError():
            return "connection reset by the broker"
        case OSError(errno=errno.ETIMEDOUT):
            return "the network lost the connection (no acknowledgement of what was sent)"
        case OSError():
            return error.strerror or str(error)
    return f"{type(error).__name__}: {error}"
