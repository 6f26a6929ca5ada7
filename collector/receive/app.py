"""What the receiver answers over HTTP, as a plain ASGI application: `POST /readings` and `GET /counts`."""

import asyncio
import sqlite3
import sys
import traceback
from urllib.parse import unquote_to_bytes

import msgspec

from collector.receive.commits import GroupCommit
from collector.receive.post import Post, Receipt, Refused
from collector.receive.store import Store
from collector.receive.tally import Account
from collector.status.asgi import JSON, Receive, Response, Scope, Send, authorised, challenge, error, respond

LARGEST_BODY = 8 * 1024 * 1024
"""Bytes of a request; more than any batch the collector sends."""

MOST_WAITING = 32 * 1024 * 1024
"""Bytes of all bodies in memory; who comes then is asked to come again."""

_CLOSE = (b"connection", b"close")
_RETRY_AFTER = (b"retry-after", b"1")


class _ClientGone(Exception):
    """Nobody is left to answer."""


class _Body:
    """A request's body, a piece at a time."""

    def __init__(self, receive: Receive) -> None:
        self.unread = True
        self._receive = receive

    async def read(self) -> bytes:
        """The next piece, while any is unread. Raises _ClientGone."""
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise _ClientGone
        self.unread = message.get("more_body", False)
        piece: bytes = message.get("body", b"")
        return piece

    async def discard(self) -> None:
        """Some clients look for the answer only when they have sent all, and closing earlier would reset it away."""
        discarded = 0
        while self.unread and discarded <= LARGEST_BODY:
            discarded += len(await self.read())


class ReadingsApp:
    """With a token, all of it wants that token."""

    def __init__(self, store: Store, commits: GroupCommit, account: Account, token: bytes | None = None) -> None:
        self._store = store
        self._commits = commits
        self._account = account
        self._token = token
        self._held = 0
        self._counting = asyncio.Lock()
        self._told: set[tuple[type[Exception], str, int | None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise ValueError(f"this application speaks http only, not {scope['type']}")
        headers: dict[bytes, bytes] = dict(scope["headers"])
        body = _Body(receive)
        try:
            response = await self._response(scope, headers, body)
            if b"expect" not in headers:
                await body.discard()
        except _ClientGone:
            return
        except Exception as failure:
            self._tell(failure)
            response = error(500, "internal error; the receiver's standard error says more", _RETRY_AFTER)
        if body.unread:
            response = response._replace(headers=(*response.headers, _CLOSE))
        await respond(response, send)

    def _tell(self, failure: Exception) -> None:
        """uvicorn, whose log is off, would say so to nobody. Once of a kind, since whoever asks decides how often."""
        where = traceback.extract_tb(failure.__traceback__)[-1]
        kind = (type(failure), where.filename, where.lineno)
        if kind not in self._told:
            self._told.add(kind)
            print("internal error; please report it:", *traceback.format_exception(failure), file=sys.stderr, sep="\n")

    async def _response(self, scope: Scope, headers: dict[bytes, bytes], body: _Body) -> Response:
        path, method = scope["path"], scope["method"]
        allowed = {"/readings": ("POST",), "/counts": ("GET", "HEAD")}.get(path)
        if allowed is None:
            return error(404, f"{path}: no such page; there are POST /readings and GET /counts")
        if method not in allowed:
            return error(405, f"{method}: {path} only takes {allowed[0]}", (b"allow", ", ".join(allowed).encode()))
        if not authorised(scope, self._token):
            return challenge("send the token of --token-file as Authorization: Bearer")
        try:
            return await (self._counts() if path == "/counts" else self._post(headers, body))
        except sqlite3.Error as failure:
            return error(503, f"the database failed: {failure}", _RETRY_AFTER)

    async def _counts(self) -> Response:
        async with self._counting:
            readings = await asyncio.to_thread(self._store.count)
        counts = {"readings": readings, "since_start": self._account.total.counts()}
        return Response(200, JSON, msgspec.json.encode(counts) + b"\n")

    async def _post(self, headers: dict[bytes, bytes], body: _Body) -> Response:
        refusal = _refusal(headers)
        if refusal is not None:
            return refusal
        try:
            key = unquote_to_bytes(headers[b"idempotency-key"]).decode()
        except UnicodeDecodeError:
            return error(400, "Idempotency-Key is not UTF-8")
        held = bytearray()
        try:
            while body.unread:
                piece = await body.read()
                held += piece
                self._held += len(piece)
                if len(held) > LARGEST_BODY:
                    return _too_large()
                if self._held > MOST_WAITING:
                    return error(503, "too many batches at a time", _RETRY_AFTER)
            answer = await self._commits.add(Post(key, held, gzip=_encoding(headers) == b"gzip"))
        finally:
            self._held -= len(held)
        return _answer(answer)


def _refusal(headers: dict[bytes, bytes]) -> Response | None:
    """What is wrong with a post before its body is looked at."""
    media_type = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
    if media_type != JSON:
        return error(415, "send the batch as Content-Type: application/json")
    if _encoding(headers) not in (b"identity", b"gzip"):
        return error(415, "send the batch as it is or with Content-Encoding: gzip", (b"accept-encoding", b"gzip"))
    if b"content-length" not in headers and b"transfer-encoding" not in headers:
        return error(411, "send a body, with Content-Length or in chunks")
    if int(headers.get(b"content-length", b"0")) > LARGEST_BODY:
        return _too_large()
    if b"idempotency-key" not in headers:
        return error(400, "send Idempotency-Key: collector/epoch/first-last")
    return None


def _encoding(headers: dict[bytes, bytes]) -> bytes:
    return headers.get(b"content-encoding", b"identity").lower()


def _too_large() -> Response:
    return error(413, f"more than {LARGEST_BODY} bytes")


def _answer(answer: Receipt | Refused) -> Response:
    if isinstance(answer, Refused):
        return error(answer.status, str(answer))
    counts = {"stored": answer.stored, "duplicates": answer.duplicates}
    return Response(200, JSON, msgspec.json.encode(counts) + b"\n")
