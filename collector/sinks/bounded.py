"""A bound on what one HTTP answer may bring, for versions of aiohttp that have none of their own.

Before 3.14 aiohttp gathers headers for as long as the server sends them: gigabytes until the time-out.
"""

import asyncio
import functools
import inspect
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler

MOST_ANSWER = 1024 * 1024
"""Bytes of head and body together; flow control stops a body long before."""

AIOHTTP_COUNTS = "max_headers" in inspect.signature(aiohttp.ClientSession).parameters


class BoundedHandler(ResponseHandler):
    """Ends a connection on which one answer grows too long."""

    _received = 0

    def set_response_params(self, **params: Any) -> None:
        """Called once a request."""
        self._received = 0
        super().set_response_params(**params)

    def data_received(self, data: bytes) -> None:
        self._received += len(data)
        if self._received <= MOST_ANSWER:
            super().data_received(data)
        elif self.transport is not None:
            self.set_exception(aiohttp.ClientConnectionError(f"more than {MOST_ANSWER // 1024} KiB of headers"))
            self.transport.abort()


def bound(connector: aiohttp.TCPConnector) -> aiohttp.TCPConnector:
    """The same connector, its answers bounded."""
    if not AIOHTTP_COUNTS:
        # No public way in, and none is needed: these versions will not change any more.
        connector._factory = functools.partial(BoundedHandler, loop=asyncio.get_running_loop())  # type: ignore[assignment]
    return connector
