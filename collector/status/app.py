"""What the daemon tells over HTTP, as a plain ASGI application: probes, figures, metrics."""

from collections.abc import Callable
from urllib.parse import parse_qs

from prometheus_client import CollectorRegistry, make_asgi_app

from collector.errors import CollectorError
from collector.log import events
from collector.status.asgi import JSON, Receive, Response, Scope, Send, authorised, challenge, error, respond
from collector.status.metrics import ReportCollector
from collector.status.report import Check, Report

_TEXT = b"text/plain; charset=utf-8"


class StatusApp:
    """`/livez`, `/readyz`, `/status` and `/metrics`.

    With a token, the two probes still answer everybody; their `?verbose` and all else want it.
    """

    def __init__(self, report: Callable[[], Report], token: Callable[[], bytes] | None = None) -> None:
        """`token` is asked at every request, so that one that was renewed counts; CollectorError lets nobody in."""
        self._report = report
        self._token = token
        registry = CollectorRegistry()
        registry.register(ReportCollector(report))
        self._metrics = make_asgi_app(registry)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise ValueError(f"this application speaks http only, not {scope['type']}")
        try:
            response = self._respond(scope)
            if response is None:
                await self._metrics(scope, receive, send)
                return
        except Exception:
            # uvicorn, whose log is off, would say so to nobody.
            events.INTERNAL_ERROR.log("status: internal error at %s; please report it", scope["path"], exc_info=True)
            response = error(500, "internal error; the collector's log says more")
        await respond(response, send)

    def _respond(self, scope: Scope) -> Response | None:
        """None leaves the answer to prometheus_client."""
        path = scope["path"]
        if path not in ("/livez", "/readyz", "/status", "/metrics"):
            return error(404, f"{path}: no such page; there are /livez, /readyz, /status and /metrics")
        if scope["method"] not in ("GET", "HEAD"):
            return error(405, f"{scope['method']}: this server only answers GET and HEAD", (b"allow", b"GET, HEAD"))
        allowed = self._authorised(scope)
        if path in ("/livez", "/readyz"):
            report = self._report()
            checks = report.alive if path == "/livez" else report.ready
            verbose = "verbose" in parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
            return _probe(path[1:], checks, verbose and allowed)
        if not allowed:
            return challenge("send the token of status.token_file as Authorization: Bearer")
        if path == "/metrics":
            return None
        return Response(200, JSON, self._report().to_json())

    def _authorised(self, scope: Scope) -> bool:
        try:
            return authorised(scope, self._token() if self._token is not None else None)
        except CollectorError:
            return False


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
