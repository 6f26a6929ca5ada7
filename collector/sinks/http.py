"""Delivers to a web server: a POST a segment, under a key by which the server knows one that comes again."""

import asyncio
import errno
import gzip
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from ssl import SSLContext
from urllib.parse import quote

import aiohttp

from collector import __version__, tls
from collector.contracts import Outcome
from collector.errors import CollectorError, SinkError
from collector.mask import Mask
from collector.segment import Part
from collector.sinks import wire
from collector.sinks.answer import MOST_BODY, Answer, outcome, words
from collector.sinks.bounded import bound
from collector.sinks.endpoint import Endpoint

REFUSAL_PATIENCE = 5.0
"""Seconds for the words of a refusal; its status is known already."""

_VISIBLE = "".join(map(chr, range(0x21, 0x7F))).replace("%", "")


@dataclass(frozen=True)
class HttpOptions:
    """`headers` may hold secrets."""

    endpoint: Endpoint
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    ssl: SSLContext | None = None
    proxy: str | None = None
    timeout: float = 30.0
    """Seconds for a request as a whole, from the name's look-up to the last byte of the answer."""

    @property
    def secrets(self) -> list[str]:
        """What a server may know us by, with and without a scheme such as `Bearer` before it."""
        return [*self.endpoint.secrets, *self.headers.values(), *(v.rpartition(" ")[2] for v in self.headers.values())]


class HttpSink:
    """No connection stands between deliveries, so that the first answer tells whether the server is there."""

    concurrency = 4
    """Segments may overtake each other; identities keep their order."""
    whole = True
    note = ""

    def __init__(self, options: Callable[[], HttpOptions], collector: str) -> None:
        """`options` is asked anew at every `open`, and so after every failure: what was rotated counts."""
        self._options = options
        self._collector = collector
        self._key = quote(collector, safe=_VISIBLE)
        self._request: HttpOptions
        self._mask = Mask()
        self._session: aiohttp.ClientSession | None = None
        self._kept = False
        """Whether connections may be open that an earlier answer came on."""

    async def open(self) -> None:
        await self.close()
        try:
            self._request = self._options()
        except CollectorError as error:
            raise SinkError("; ".join(str(error).splitlines()), hold=True) from error
        self._mask = Mask(self._request.secrets)
        self._session = aiohttp.ClientSession(
            connector=bound(
                aiohttp.TCPConnector(
                    ssl=self._request.ssl if self._request.ssl is not None else True,
                    limit=self.concurrency,
                    # The system's, as everywhere else; aiohttp would take another one that happens to be installed.
                    resolver=aiohttp.ThreadedResolver(),
                )
            ),
            headers={
                "User-Agent": f"edge-collector/{__version__}",
                "Accept": "application/json",
                "Accept-Encoding": "identity",
                **self._request.headers,
            },
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None),
            auto_decompress=False,
            read_bufsize=MOST_BODY,
        )

    async def deliver(self, part: Part) -> Outcome:
        if self._session is None:
            return Outcome("retry", reason="not open")
        body = gzip.compress(wire.batch(self._collector, part), 6, mtime=0)
        key = f"{self._key}/{part.segment.epoch}/{part.first_seq}-{part.last_seq}"
        try:
            async with asyncio.timeout(self._request.timeout):
                answer = await self._post(self._session, body, key)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return self._failure(error)
        return outcome(answer, time.time(), self._mask)

    async def close(self) -> None:
        session, self._session = self._session, None
        self._kept = False
        if session is not None:
            await session.close()

    async def _post(self, session: aiohttp.ClientSession, body: bytes, key: str) -> Answer:
        try:
            return await self._exchange(session, body, key)
        except aiohttp.ClientConnectorError:
            raise
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
            # A server may close an idle connection just as we use it: no failure to tell anybody about.
            if not self._kept:
                raise
            return await self._exchange(session, body, key)

    async def _exchange(self, session: aiohttp.ClientSession, body: bytes, key: str) -> Answer:
        headers = {"Content-Type": "application/json", "Content-Encoding": "gzip", "Idempotency-Key": key}
        async with session.post(
            self._request.endpoint.url, data=body, headers=headers, proxy=self._request.proxy, allow_redirects=False
        ) as response:
            text = bytearray()
            refused = response.status >= 300
            try:
                async with asyncio.timeout(REFUSAL_PATIENCE if refused else None):
                    while len(text) <= MOST_BODY and (chunk := await response.content.read(MOST_BODY)):
                        text += chunk
            except (aiohttp.ClientError, OSError):
                if not refused:
                    raise
            whole = len(text) <= MOST_BODY
            if not whole:
                response.close()
            self._kept = True
            return Answer(response.status, response.headers, bytes(text[:MOST_BODY]), whole)

    def _failure(self, error: Exception) -> Outcome:
        """One line for what kept the server's word from us; only a refusal that waiting cannot mend holds."""
        where, fault, hold = str(self._request.endpoint), tls.ssl_error(error), False
        match error:
            case aiohttp.ClientHttpProxyError():
                hold = error.status in (401, 403, 407)
                why = f"the proxy refuses the way there: {error.status} {words(error.message, self._mask)}"
            case aiohttp.ClientProxyConnectionError():
                where = f"proxy {error.host}:{error.port}"
                why = _system(error.os_error)
            case _ if fault is not None:
                why, hold = tls.describe(fault, "server"), tls.refuses_us(fault)
            case aiohttp.ClientConnectorDNSError():
                why = "no such host"
            case aiohttp.ClientConnectorError():
                why = _system(error.os_error)
            case aiohttp.ServerDisconnectedError() | aiohttp.ClientOSError(errno=errno.ECONNRESET | errno.EPIPE):
                why = "the server closed the connection without an answer"
                if self._request.ssl is not None and not self._kept:
                    why += "; it may want a certificate of ours: set cert_file and key_file, or renew them"
            case aiohttp.ClientResponseError():
                why = f"the answer is not HTTP: {words(error.message, self._mask)}"
            case aiohttp.ClientPayloadError():
                why = "the answer broke off"
            case aiohttp.ClientConnectionError() if not isinstance(error, OSError):
                why = words(str(error), self._mask)
            case TimeoutError():
                why = f"no answer in {self._request.timeout:g} s"
            case OSError():
                why = _system(error)
            case _:
                why = words(f"{type(error).__name__}: {error}", self._mask)
        return Outcome("hold" if hold else "retry", reason=f"{where}: {why}")


def _system(error: OSError) -> str:
    if error.errno == errno.ECONNREFUSED:
        return "connection refused: no server listens there"
    return words(error.strerror or str(error))
