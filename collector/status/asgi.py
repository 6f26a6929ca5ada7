"""The little of ASGI and HTTP that plain applications of few pages need."""

import hmac
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, NamedTuple

import msgspec

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

JSON = b"application/json"


class Response(NamedTuple):
    status: int
    content_type: bytes
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()


def error(status: int, message: str, *headers: tuple[bytes, bytes]) -> Response:
    return Response(status, JSON, msgspec.json.encode({"error": message}) + b"\n", headers)


def challenge(message: str) -> Response:
    """401: without a header that says what is wanted a client need not understand it."""
    return error(401, message, (b"www-authenticate", b'Bearer realm="edge-collector"'))


def authorised(scope: Scope, token: bytes | None) -> bool:
    """Whether the request carries the bearer token; everybody is when there is none."""
    if token is None:
        return True
    given = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
    scheme, _, credentials = given.partition(b" ")
    return scheme.lower() == b"bearer" and hmac.compare_digest(credentials.strip(), token)


async def respond(response: Response, send: Send) -> None:
    headers = [
        (b"content-type", response.content_type),
        (b"content-length", str(len(response.body)).encode()),
        (b"cache-control", b"no-store"),
        *response.headers,
    ]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body})
