"""What the kernel knows of the connection below a transport, and what it is told."""

import asyncio
import contextlib
import socket
import struct
from typing import Final

_UNACKED_AT: Final = 24
"""Of `tcpi_unacked` in struct tcp_info, linux/tcp.h: segments sent and not yet acknowledged."""


def give_up_after(transport: asyncio.BaseTransport, seconds: float) -> None:
    """Ends the connection when bytes of ours stay unacknowledged, or a closed window stays closed, for as long."""
    if (connection := transport.get_extra_info("socket")) is not None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(seconds * 1000))


def under_way(transport: asyncio.BaseTransport) -> bool:
    """Whether bytes of ours are still on their way to the far TCP."""
    if (connection := transport.get_extra_info("socket")) is not None:
        with contextlib.suppress(OSError, struct.error):
            info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _UNACKED_AT + 4)
            (unacked,) = struct.unpack_from("=I", info, _UNACKED_AT)
            return bool(unacked)
    return False
