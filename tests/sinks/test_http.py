"""The HTTP sink against servers that are good, hostile, slow, badly certified or not there."""

import asyncio
import gc
import gzip
import shutil
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from collector.clock import Regime, SystemClock
from collector.contracts import Outcome
from collector.errors import ConfigurationError, SinkError
from collector.reading import Reading
from collector.segment import Part, Segment, encode
from collector.sinks.endpoint import parse
from collector.sinks.http import HttpOptions, HttpSink
from collector.tls import tls_context
from tests.brokers import free_port
from tests.mqtt.certificates import Authority
from tests.sinks.http_peer import ACCEPTED, HttpPeer, Request, Script, hang_up, reply


def part(count: int = 3) -> Part:
    readings = [Reading(1 + n, "meter", "d", 1_000_000_000, "synced", {"n": n}) for n in range(count)]
    return Part(Segment(1, "00000000000000aa", 1, count, Regime("b", 0, True), encode(readings)), 0, count)


@asynccontextmanager
async def opened(options: Callable[[], HttpOptions]) -> AsyncIterator[HttpSink]:
    sink = HttpSink(options, "box")
    await sink.open()
    try:
        yield sink
    finally:
        await sink.close()


async def outcome_of(script: Script, *, timeout: float = 5.0) -> Outcome:
    """What one delivery comes to with a server that answers by `script`."""
    peer = HttpPeer(script)
    async with peer.serving(), opened(lambda: HttpOptions(parse(peer.url), timeout=timeout)) as sink:
        return await sink.deliver(part())


async def test_what_goes_over_the_wire() -> None:
    peer = HttpPeer()
    options = HttpOptions(parse(peer.url.replace(":0", ":1")), {"Authorization": "Bearer hunter2"})
    async with peer.serving(), opened(lambda: HttpOptions(parse(peer.url), options.headers)) as sink:
        assert await sink.deliver(part()) == Outcome()
    (request,) = peer.requests
    assert request.line == "POST /readings HTTP/1.1"
    assert request.key == "box/00000000000000aa/1-3"
    assert {name: request.headers[name] for name in ("content-type", "content-encoding", "authorization")} == {
        "content-type": "application/json",
        "content-encoding": "gzip",
        "authorization": "Bearer hunter2",
    }
    assert (request.batch["first_seq"], request.batch["last_seq"]) == (1, 3)
    assert [reading["fields"]["n"] for reading in request.batch["readings"]] == [0, 1, 2]
    assert "hunter2" not in repr(options)


async def test_a_retry_is_the_same_to_the_byte_and_connections_are_kept() -> None:
    peer = HttpPeer(ACCEPTED, reply(503))
    async with peer.serving(), opened(lambda: HttpOptions(parse(peer.url))) as sink:
        assert (await sink.deliver(part())).verdict == "retry"
        assert (await sink.deliver(part())).verdict == "settled"
    assert (peer.requests[0].key, peer.requests[0].body) == (peer.requests[1].key, peer.requests[1].body)
    assert peer.connections == 1


async def test_an_id_that_no_header_takes_is_escaped_in_the_key() -> None:
    peer = HttpPeer()
    async with peer.serving():
        sink = HttpSink(lambda: HttpOptions(parse(peer.url)), "gewächs haus/1")
        await sink.open()
        assert (await sink.deliver(part())).verdict == "settled"
        await sink.close()
    assert peer.requests[0].key == "gew%C3%A4chs%20haus/1/00000000000000aa/1-3"


async def test_a_kept_connection_that_the_server_closed_is_no_failure() -> None:
    peer = HttpPeer(ACCEPTED, ACCEPTED, hang_up)
    async with peer.serving(), opened(lambda: HttpOptions(parse(peer.url))) as sink:
        assert (await sink.deliver(part())).verdict == "settled"
        assert (await sink.deliver(part())).verdict == "settled"
    assert [request.body for request in peer.requests] == [peer.requests[0].body] * 3


async def raw(writer: asyncio.StreamWriter, head: str, chunk: bytes) -> None:
    """`head`, then `chunk` over and over, as fast as the client takes it."""
    writer.write(head.replace("\n", "\r\n").encode())
    while not writer.is_closing():
        writer.write(chunk)
        await writer.drain()


async def endless_body(request: Request, writer: asyncio.StreamWriter) -> None:
    await raw(writer, "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n", b"1000\r\n" + b"x" * 4096 + b"\r\n")


async def endless_headers(request: Request, writer: asyncio.StreamWriter) -> None:
    await raw(writer, "HTTP/1.1 200 OK\n", b"X-Filler: " + b"x" * 1000 + b"\r\n")


async def one_endless_header(request: Request, writer: asyncio.StreamWriter) -> None:
    await raw(writer, "HTTP/1.1 200 OK\nX-Filler: ", b"x" * 1000)


async def endless_promises(request: Request, writer: asyncio.StreamWriter) -> None:
    await raw(writer, "", b"HTTP/1.1 102 Processing\r\n\r\n")


async def dribble(request: Request, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    while not writer.is_closing():
        writer.write(b" ")
        await asyncio.sleep(0.02)


async def silence(request: Request, writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def cut_short(request: Request, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{")
    await writer.drain()
    writer.close()


async def reset_in_the_body(request: Request, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{")
    await writer.drain()
    writer.transport.abort()


async def not_http(request: Request, writer: asyncio.StreamWriter) -> None:
    writer.write(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")


async def redirect_to_itself(request: Request, writer: asyncio.StreamWriter) -> None:
    await reply(307, Location=f"http://{request.headers['host']}/readings")(request, writer)


BOMB = gzip.compress(bytes(50_000_000))
"""Made beforehand: that takes longer than the client is patient."""


async def compressed_bomb(request: Request, writer: asyncio.StreamWriter) -> None:
    await reply(400, BOMB, Content_Encoding="gzip")(request, writer)


@pytest.mark.parametrize(
    ("script", "verdict", "reason"),
    [
        (endless_body, "retry", "200 OK, with an answer of more than 64 KiB"),
        (one_endless_header, "retry", "the answer is not HTTP: "),
        (endless_promises, "retry", ""),
        (dribble, "retry", "no answer in 0.5 s"),
        (silence, "retry", "no answer in 0.5 s"),
        (cut_short, "retry", "the answer broke off"),
        (reset_in_the_body, "retry", ""),
        (hang_up, "retry", "the server closed the connection without an answer"),
        (not_http, "retry", "the answer is not HTTP: "),
        (redirect_to_itself, "retry", "307 Temporary Redirect: redirects to 127.0.0.1"),
        (reply(200, "<html>Welcome", Content_Type="text/html"), "retry", "web page"),
        (compressed_bomb, "too large", "400 Bad Request"),
        (reply(401, "who?"), "hold", "401 Unauthorized: who?"),
        (reply(404), "hold", "404 Not Found"),
    ],
)
@pytest.mark.fault(37)
async def test_a_hostile_or_confused_server(script: Script, verdict: str, reason: str) -> None:
    outcome = await outcome_of(script, timeout=0.5)
    assert (outcome.verdict, outcome.settled, outcome.dead) == (verdict, (), {})
    assert reason in outcome.reason
    assert outcome.reason.isprintable()


async def test_headers_that_never_end() -> None:
    """aiohttp counts them since 3.14; before, we count their bytes."""
    outcome = await outcome_of(endless_headers)
    assert outcome.verdict == "retry"
    assert "the answer is not HTTP: " in outcome.reason or outcome.reason.endswith("more than 1024 KiB of headers")


async def test_an_answer_is_bounded_where_aiohttp_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("collector.sinks.bounded.AIOHTTP_COUNTS", False)
    monkeypatch.setattr("collector.sinks.bounded.MOST_ANSWER", 64 * 1024)
    outcome = await outcome_of(endless_promises)
    assert outcome.verdict == "retry"
    assert outcome.reason.endswith("more than 64 KiB of headers")
    peer = HttpPeer(reply(200, "x" * 40_000))
    async with peer.serving(), opened(lambda: HttpOptions(parse(peer.url))) as sink:
        assert [(await sink.deliver(part())).verdict for _ in range(3)] == ["settled"] * 3
    assert peer.connections == 1


async def test_a_redirect_is_not_followed() -> None:
    peer = HttpPeer(redirect_to_itself)
    async with peer.serving(), opened(lambda: HttpOptions(parse(peer.url))) as sink:
        await sink.deliver(part())
    assert len(peer.requests) == 1


async def test_the_words_of_a_refusal_are_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    async def refusing_dribble(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 1000\r\n\r\nsmaller, please")
        await silence(request, writer)

    monkeypatch.setattr("collector.sinks.http.REFUSAL_PATIENCE", 0.1)
    outcome = await outcome_of(refusing_dribble)
    assert (outcome.verdict, outcome.reason.endswith(": smaller, please")) == ("too large", True)


async def test_nobody_listens() -> None:
    port = free_port()
    async with opened(lambda: HttpOptions(parse(f"http://127.0.0.1:{port}/"))) as sink:
        outcome = await sink.deliver(part())
    assert (outcome.verdict, outcome.reason) == (
        "retry",
        f"127.0.0.1:{port}: connection refused: no server listens there",
    )


async def test_no_such_host() -> None:
    async with opened(lambda: HttpOptions(parse("http://no-such-host.invalid/"))) as sink:
        outcome = await sink.deliver(part())
    assert (outcome.verdict, outcome.reason) == ("retry", "no-such-host.invalid:80: no such host")


async def test_a_secret_that_was_rotated_counts_at_the_next_opening(tmp_path: Path) -> None:
    token = "old"

    async def judge(request: Request, writer: asyncio.StreamWriter) -> None:
        good = request.headers["authorization"] == "Bearer new"
        await (ACCEPTED if good else reply(401))(request, writer)

    peer = HttpPeer(judge)
    async with peer.serving():
        sink = HttpSink(lambda: HttpOptions(parse(peer.url), {"Authorization": f"Bearer {token}"}), "box")
        await sink.open()
        assert (await sink.deliver(part())).verdict == "hold"
        token = "new"
        await sink.open()
        assert (await sink.deliver(part())).verdict == "settled"
        await sink.close()


async def test_a_secret_that_cannot_be_read_holds_in_one_line() -> None:
    def options() -> HttpOptions:
        raise ConfigurationError(["a does not exist", "b is empty"])

    with pytest.raises(SinkError, match="a does not exist; b is empty") as raised:
        await HttpSink(options, "box").open()
    assert raised.value.hold


@pytest.mark.parametrize("status", [401, 503])
async def test_a_secret_that_the_server_repeats_is_masked(status: int) -> None:
    peer = HttpPeer(reply(status, '{"got": "Bearer hunter2", "key": "quo\\"ted", "path": "0123456789abcdefghij"}'))
    headers = {"Authorization": "Bearer hunter2", "X-Key": 'quo"ted'}
    async with peer.serving():
        url = parse(f"http://127.0.0.1:{peer.port}/hook/0123456789abcdefghij")
        async with opened(lambda: HttpOptions(url, headers)) as sink:
            outcome = await sink.deliver(part())
    assert outcome.reason.endswith('{"got": "***", "key": "***", "path": "***"}')


async def test_a_secret_in_what_is_no_answer_is_masked() -> None:
    async def garbage(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hunter2 is no status line\r\n\r\n")

    peer = HttpPeer(garbage)
    async with peer.serving(), opened(lambda: HttpOptions(parse(peer.url), {"X-Key": "hunter2"})) as sink:
        outcome = await sink.deliver(part())
    assert "hunter2" not in outcome.reason and outcome.verdict == "retry"


async def test_a_proxy_carries_it_and_may_refuse() -> None:
    proxy = HttpPeer(ACCEPTED, ACCEPTED, reply(407))
    async with (
        proxy.serving(),
        opened(lambda: HttpOptions(parse("http://cloud.example/in"), proxy=f"http://127.0.0.1:{proxy.port}")) as sink,
    ):
        assert (await sink.deliver(part())).verdict == "settled"
        refusal = await sink.deliver(part())
    assert proxy.requests[0].line == "POST http://cloud.example/in HTTP/1.1"
    assert (refusal.verdict, refusal.reason) == ("hold", "407 Proxy Authentication Required")


@pytest.mark.parametrize(("status", "verdict"), [(407, "hold"), (403, "hold"), (502, "retry")])
async def test_a_proxy_that_opens_no_tunnel(status: int, verdict: str) -> None:
    proxy = HttpPeer(reply(status))
    server, context = parse("https://cloud.example/in"), tls_context()
    async with (
        proxy.serving(),
        opened(lambda: HttpOptions(server, ssl=context, proxy=f"http://127.0.0.1:{proxy.port}")) as sink,
    ):
        outcome = await sink.deliver(part())
    assert (outcome.verdict, f"the proxy refuses the way there: {status}" in outcome.reason) == (verdict, True)


async def test_a_proxy_that_is_not_there() -> None:
    port = free_port()
    options = HttpOptions(parse("http://cloud.example/in"), proxy=f"http://127.0.0.1:{port}")
    async with opened(lambda: options) as sink:
        outcome = await sink.deliver(part())
    assert (outcome.verdict, outcome.reason.startswith(f"proxy 127.0.0.1:{port}: ")) == ("retry", True)


# TLS


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    return Authority(tmp_path_factory.mktemp("tls") / "ca")


def server_side(certificate: Path, key: Path, *, clients: Path | None = None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    if clients is not None:
        context.load_verify_locations(clients)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


@asynccontextmanager
async def over_tls(peer: HttpPeer, context: ssl.SSLContext, *files: Path) -> AsyncIterator[HttpSink]:
    async with peer.serving(context):
        endpoint = parse(f"https://localhost:{peer.port}/readings")
        async with opened(lambda: HttpOptions(endpoint, ssl=tls_context(*files), timeout=5.0)) as sink:
            yield sink


async def test_a_good_certificate(authority: Authority) -> None:
    peer = HttpPeer()
    async with over_tls(peer, server_side(*authority.issue("localhost")), authority.certificate) as sink:
        assert await sink.deliver(part()) == Outcome()
    assert len(peer.requests) == 1


@pytest.mark.parametrize(
    ("name", "start", "days", "synchronised", "reason"),
    [
        ("localhost", -3, -1, True, "the server's certificate has expired, or this machine's clock is wrong"),
        ("localhost", 1, 3, True, "the server's certificate is not valid yet: is this machine's clock right?"),
        ("localhost", 1, 3, False, "is this machine's clock right? (the clock is not synchronised)"),
        ("elsewhere", -2, 2, True, "the server's certificate is made out to another host name"),
    ],
)
@pytest.mark.fault(38)
async def test_a_bad_certificate_is_waited_out_with_one_clear_line(
    authority: Authority,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    start: int,
    days: int,
    synchronised: bool,
    reason: str,
) -> None:
    monkeypatch.setattr(SystemClock, "synchronised", lambda clock: synchronised)
    peer = HttpPeer()
    context = server_side(*authority.issue(name, start=start, days=days))
    async with over_tls(peer, context, authority.certificate) as sink:
        outcome = await sink.deliver(part())
    assert outcome.verdict == "retry"
    assert outcome.reason.startswith(f"localhost:{peer.port}: TLS: ") and outcome.reason.endswith(reason)
    assert not peer.requests


@pytest.mark.fault(38)
async def test_an_authority_nobody_knows(authority: Authority, tmp_path: Path) -> None:
    other = Authority(tmp_path / "other")
    async with over_tls(HttpPeer(), server_side(*authority.issue("localhost")), other.certificate) as sink:
        outcome = await sink.deliver(part())
    assert (outcome.verdict, "TLS: unknown authority: set ca_file" in outcome.reason) == ("retry", True)


async def test_a_server_that_speaks_no_tls() -> None:
    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(plain, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, opened(lambda: HttpOptions(parse(f"https://localhost:{port}/"), ssl=tls_context())) as sink:
        outcome = await sink.deliver(part())
    assert outcome.verdict == "retry"
    assert "TLS: the server does not speak TLS on this port" in outcome.reason


async def test_our_own_certificate(authority: Authority) -> None:
    context = server_side(*authority.issue("localhost"), clients=authority.certificate)
    mine = authority.issue("box")
    async with over_tls(HttpPeer(), context, authority.certificate, *mine) as sink:
        assert await sink.deliver(part()) == Outcome()
    async with over_tls(HttpPeer(), context, authority.certificate) as sink:
        outcome = await sink.deliver(part())
    # With TLS 1.3 the server's word races with the reset that follows it.
    assert outcome.verdict in ("hold", "retry")
    assert "set cert_file and key_file" in outcome.reason


@pytest.mark.fault(38)
async def test_certificates_rotated_while_running(authority: Authority, tmp_path: Path) -> None:
    other = Authority(tmp_path / "other")
    (trusted := tmp_path / "ca.pem").write_bytes(authority.certificate.read_bytes())
    peer = HttpPeer()
    async with over_tls(peer, server_side(*authority.issue("localhost")), trusted) as sink:
        assert (await sink.deliver(part())).verdict == "settled"
        await peer.stop()
        await peer.start(server_side(*other.issue("localhost")))
        assert (await sink.deliver(part())).verdict == "retry"
        trusted.write_bytes(other.certificate.read_bytes())
        await sink.open()
        assert (await sink.deliver(part())).verdict == "settled"


async def test_a_closed_sink_leaves_no_session_behind(recwarn: pytest.WarningsRecorder) -> None:
    peer = HttpPeer()
    async with peer.serving(), opened(lambda: HttpOptions(parse(peer.url))) as sink:
        await sink.deliver(part())
        await sink.open()
    gc.collect()
    assert not [warning for warning in recwarn if issubclass(warning.category, ResourceWarning)]
