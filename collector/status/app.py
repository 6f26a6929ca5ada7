"""What the daemon tells over HTTP, as a plain ASGI application: probes, figures, metrics."""

import hmac
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, NamedTuple
from urllib.parse import parse_qs

import msgspec
from prometheus_client import CollectorRegistry, make_asgi_app

from collector.status.metrics import ReportCollector
from collector.status.report import Check, Report

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_TEXT = b"text/plain; charset=utf-8"
_JSON = b"application/json"


class Response(NamedTuple):
    status: int
    content_type: bytes
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()


class StatusApp:
    """`/livez`, `/readyz`, `/status` and `/metrics`.

    With a token, the two probes still answer everybody; their `?verbose` and all else want it.
    """

    def __init__(self, report: Callable[[], Report], token: bytes | None = None) -> None:
        self._report = report
        self._token = token
        registry = CollectorRegistry()
        registry.register(ReportCollector(report))
        self._metrics = make_asgi_app(registry)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise ValueError(f"this application speaks http only, not {scope['type']}")
        response = self._respond(scope)
        if response is None:
            await self._metrics(scope, receive, send)
        else:
            await _send(response, send)

    def _respond(self, scope: Scope) -> Response | None:
        """None leaves the answer to prometheus_client."""
        path = scope["path"]
        if path not in ("/livez", "/readyz", "/status", "/metrics"):
            return _error(404, f"{path}: no such page; there are /livez, /readyz, /status and /metrics")
        if scope["method"] not in ("GET", "HEAD"):
            return _error(405, f"{scope['method']}: this server only answers GET and HEAD", (b"allow", b"GET, HEAD"))
        authorised = self._authorised(scope)
        if path in ("/livez", "/readyz"):
            report = self._report()
            checks = report.alive if path == "/livez" else report.ready
            verbose = "verbose" in parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
            return _probe(path[1:], checks, verbose and authorised)
        if not authorised:
            challenge = (b"www-authenticate", b'Bearer realm="edge-collector"')
            return _error(401, "send the token of status.token_file as Authorization: Bearer", challenge)
        if path == "/metrics":
            return None
        return Response(200, _JSON, self._report().to_json())

    def _authorised(self, scope: Scope) -> bool:
        if self._token is None:
            return True
        given = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
        scheme, _, credentials = given.partition(b" ")
        return scheme.lower() == b"bearer" and hmac.compare_digest(credentials.strip(), self._token)


def _probe(name: str, checks: list[Check], verbose: bool) -> Response:
    """Machines use the status code only; the lines are Kubernetes' own, for people."""
    passed = all(check.ok for check in checks)
    text = f"{name} check {'passed' if passed else 'failed'}\n"
    if verbose:
        text = "".join(f"{_line(check)}\n" for check in checks) + text
    return Response(200 if passed else 503, _TEXT, text.encode())


def _line(check: Check) -> str:
    if not check.ok:
        return f"[-]{check.name} failed: {check.detail}"
    return f"[+]{check.name}: {check.detail}" if check.detail else f"[+]{check.name} ok"


def _error(status: int, message: str, *headers: tuple[bytes, bytes]) -> Response:
    return Response(status, _JSON, msgspec.json.encode({"error": message}) + b"\n", headers)


async def _send(response: Response, send: Send) -> None:
    headers = [
        (b"content-type", response.content_type),
        (b"content-length", str(len(response.body)).encode()),
        (b"cache-control", b"no-store"),
        *response.headers,
    ]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body})
