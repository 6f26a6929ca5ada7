"""The application by itself, driven as an ASGI server drives it."""

import json
from pathlib import Path
from typing import Any

import pytest

from collector.config.secrets import read_secret
from collector.log import events
from collector.log.rate import RateLimit
from collector.status.app import StatusApp
from collector.status.report import Check, Report
from tests.status.reports import busy_report

Answer = tuple[int, dict[str, str], bytes]


async def ask(app: StatusApp, target: str, method: str = "GET", **headers: str) -> Answer:
    path, _, query = target.partition("?")
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": query.encode(),
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()],
    }
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    start, *bodies = sent
    fields = {name.decode().lower(): value.decode() for name, value in start["headers"]}
    return start["status"], fields, b"".join(message["body"] for message in bodies)


def app_with(report: Report, token: bytes | None = None) -> StatusApp:
    return StatusApp(lambda: report, (lambda: token) if token is not None else None)


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
async def test_a_probe_that_holds(path: str) -> None:
    status, headers, body = await ask(app_with(busy_report()), path)
    assert status == 200
    assert body == f"{path[1:]} check passed\n".encode()
    assert headers["cache-control"] == "no-store"


async def test_readyz_names_the_check_that_fails() -> None:
    report = busy_report()
    report.ready.append(Check("source air", ok=False, detail="no attempt has ended yet"))
    app = app_with(report)
    assert (await ask(app, "/readyz"))[0] == 503
    status, _, body = await ask(app, "/readyz?verbose")
    assert status == 503
    assert body.decode().splitlines() == [
        "[+]spool ok",
        "[+]sandbox: enforce, Landlock ABI 7, seccomp 120 syscalls",
        "[-]source air failed: no attempt has ended yet",
        "readyz check failed",
    ]


async def test_livez_looks_only_at_what_is_alive() -> None:
    report = busy_report()
    report.ready.append(Check("source air", ok=False))
    assert (await ask(app_with(report), "/livez"))[0] == 200
    report.alive.append(Check("disk thread", ok=False, detail="no answer for 12 s"))
    assert (await ask(app_with(report), "/livez"))[0] == 503


async def test_status_shows_the_books() -> None:
    report = busy_report()
    report.sinks["cloud"].ledger.delivered -= 1
    status, headers, body = await ask(app_with(report), "/status")
    assert (status, headers["content-type"]) == (200, "application/json")
    assert int(headers["content-length"]) == len(body)
    document = json.loads(body)
    assert document["sinks"]["cloud"]["ledger"] == {
        "received": 1000,
        "delivered": 949,
        "pending": 40,
        "dropped": {"full": 8},
        "dead": 2,
        "remainder": 1,
    }
    assert document["sinks"]["backup"]["ledger"]["remainder"] == 0
    assert document["sources"]["zigbee"]["messages"] == {"0": 5, "1": 995}


async def test_metrics_come_from_prometheus_client() -> None:
    app = app_with(busy_report())
    status, headers, body = await ask(app, "/metrics")
    assert status == 200
    assert headers["content-type"].startswith("text/plain; version=")
    assert b'edge_collector_readings_received_total{source="air"} 1000.0' in body
    _, headers, body = await ask(app, "/metrics", accept="application/openmetrics-text; version=1.0.0")
    assert headers["content-type"].startswith("application/openmetrics-text")
    assert body.endswith(b"# EOF\n")


@pytest.mark.parametrize("path", ["/", "/status/", "/favicon.ico", "/livez/loop", "/\n"])
async def test_what_is_not_there_says_what_is(path: str) -> None:
    status, headers, body = await ask(app_with(busy_report()), path)
    assert (status, headers["content-type"]) == (404, "application/json")
    assert body.count(b"\n") == 1
    assert "/status" in json.loads(body)["error"]


@pytest.mark.parametrize("path", ["/livez", "/status", "/metrics"])
@pytest.mark.parametrize("method", ["POST", "DELETE", "OPTIONS"])
async def test_nothing_can_be_changed(path: str, method: str) -> None:
    status, headers, _ = await ask(app_with(busy_report()), path, method)
    assert (status, headers["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/status", "/metrics"])
async def test_head_is_answered_as_get(path: str) -> None:
    assert (await ask(app_with(busy_report()), path, "HEAD"))[0] == 200


class TestToken:
    app = app_with(busy_report(), b"s3cret")

    @pytest.mark.parametrize("path", ["/status", "/metrics"])
    @pytest.mark.parametrize("given", ["", "Bearer", "Bearer wrong", "Bearer s3cre", "Basic s3cret", "Bearer s3crét"])
    async def test_without_the_right_one(self, path: str, given: str) -> None:
        headers = {"authorization": given} if given else {}
        status, fields, body = await ask(self.app, path, **headers)
        assert status == 401
        assert fields["www-authenticate"].startswith("Bearer")
        assert b"s3cret" not in body

    @pytest.mark.parametrize("path", ["/status", "/metrics"])
    @pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
    async def test_with_it(self, path: str, scheme: str) -> None:
        assert (await ask(self.app, path, authorization=f"{scheme} s3cret"))[0] == 200

    async def test_probes_are_open_but_tell_strangers_nothing(self) -> None:
        assert (await ask(self.app, "/livez"))[0] == 200
        assert (await ask(self.app, "/readyz?verbose"))[2] == b"readyz check passed\n"
        assert b"[+]spool ok" in (await ask(self.app, "/readyz?verbose", authorization="Bearer s3cret"))[2]


def no_report() -> Report:
    raise RuntimeError("a bug")


def half_a_report() -> Report:
    report = busy_report()
    report.sources["air"].readings = None  # type: ignore[assignment]
    report.sinks["cloud"] = None  # type: ignore[assignment]
    return report


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/status", "/metrics"])
async def test_a_fault_of_our_own_is_answered_and_logged(path: str, caplog: pytest.LogCaptureFixture) -> None:
    status, _, body = await ask(StatusApp(no_report), path)
    assert (status, body) == (500, b'{"error":"internal error; the collector\'s log says more"}\n')
    [record] = caplog.records
    assert record.__dict__["event"] is events.INTERNAL_ERROR
    assert record.getMessage() == f"status: internal error at {path}; please report it"
    assert record.exc_info is not None and str(record.exc_info[1]) == "a bug"


@pytest.mark.parametrize("path", ["/status", "/metrics"])
async def test_half_an_answer_is_none(path: str, caplog: pytest.LogCaptureFixture) -> None:
    assert (await ask(StatusApp(half_a_report), path))[0] == 500
    assert [record.__dict__["event"] for record in caplog.records] == [events.INTERNAL_ERROR]


async def test_scrapes_that_fail_flood_no_log(caplog: pytest.LogCaptureFixture) -> None:
    app = StatusApp(no_report)
    for _ in range(100):
        assert (await ask(app, "/metrics"))[0] == 500
    limit = RateLimit(lambda: 0.0)
    assert sum(limit.admit(record) is not None for record in caplog.records) == 10


async def test_it_speaks_http_only() -> None:
    with pytest.raises(ValueError, match="http only"):
        await app_with(busy_report())({"type": "websocket"}, None, None)  # type: ignore[arg-type]


async def test_a_token_that_is_renewed_counts_and_one_that_is_gone_lets_nobody_in(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("old\n")
    app = StatusApp(busy_report, lambda: read_secret("token", base=tmp_path))

    async def with_token(token: str) -> int:
        status: int = (await ask(app, "/status", authorization=f"Bearer {token}"))[0]
        return status

    assert (await with_token("old"), await with_token("new")) == (200, 401)
    file.write_text("new\n")
    assert (await with_token("old"), await with_token("new")) == (401, 200)
    file.unlink()
    assert (await with_token("new"), (await ask(app, "/livez"))[0]) == (401, 200)
