"""The doctor on HTTP servers: over TLS or not, through proxies that refuse, and what each is told to mend."""

import asyncio
import contextlib
import shutil
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from collector.config.load import load
from collector.doctor import server, way
from collector.doctor.finding import Finding, Subject
from tests.brokers import free_port
from tests.mqtt.certificates import Authority
from tests.sinks.http_peer import HttpPeer, Request, hang_up, reply
from tests.sinks.test_http import server_side


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    return Authority(tmp_path_factory.mktemp("tls") / "ca")


async def examined(tmp_path: Path, url: str, more: str = "") -> Finding:
    file = tmp_path / "collector.toml"
    file.write_text(f'[sinks.web]\ntype = "http"\nurl = "{url}"\n{more}')
    loaded = load(file)
    section = loaded.configuration.sinks["web"]
    [finding] = await server.examine(Subject("server", "sink web"), section, loaded)  # type: ignore[arg-type]
    return finding


async def test_a_server_is_asked_for_a_page_and_no_more(tmp_path: Path) -> None:
    peer = HttpPeer(reply(405))
    async with peer.serving():
        finding = await examined(tmp_path, peer.url)
    assert (finding.verdict, finding.text) == ("ok", "reached, without TLS")
    assert [request.line for request in peer.requests] == ["GET / HTTP/1.1"]


async def test_http_on_a_port_that_speaks_tls(tmp_path: Path, authority: Authority) -> None:
    peer = HttpPeer()
    async with peer.serving(server_side(*authority.issue("localhost"))):
        finding = await examined(tmp_path, peer.url)
    assert (finding.verdict, finding.text) == ("fail", "the server speaks TLS on this port")
    assert "https://" in finding.advice


@pytest.mark.parametrize("words", ["The plain HTTP request was sent to HTTPS port", "sent an HTTP request to an HTTPS"])
async def test_http_to_a_server_that_says_what_is_wrong(tmp_path: Path, words: str) -> None:
    peer = HttpPeer(reply(400, words))
    async with peer.serving():
        finding = await examined(tmp_path, peer.url)
    assert (finding.verdict, finding.text) == ("fail", "the server speaks TLS on this port")


async def test_what_speaks_no_http(tmp_path: Path) -> None:
    async def greet(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ESMTP\r\n")

    peer = HttpPeer(greet)
    async with peer.serving():
        finding = await examined(tmp_path, peer.url)
    assert (finding.verdict, finding.text) == ("fail", "what answers there does not speak HTTP")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_server_that_wants_our_certificate(
    tmp_path: Path, authority: Authority, version: ssl.TLSVersion
) -> None:
    context = server_side(*authority.issue("localhost"), clients=authority.certificate)
    context.minimum_version = context.maximum_version = version
    certificate, key = authority.issue("box")
    trusted = f'ca_file = "{authority.certificate}"\n'
    peer = HttpPeer()
    async with peer.serving(context):
        url = f"https://localhost:{peer.port}/"
        without = await examined(tmp_path, url, trusted)
        good = await examined(tmp_path, url, f'{trusted}cert_file = "{certificate}"\nkey_file = "{key}"\n')
    assert without.verdict == "fail"
    assert "set cert_file and key_file" in without.advice
    assert good.verdict == "warn" and "reached, and its certificate is good for" in good.text


async def test_a_server_that_says_so_over_http(tmp_path: Path, authority: Authority) -> None:
    peer = HttpPeer(reply(400, "<title>400 No required SSL certificate was sent</title>"))
    async with peer.serving(server_side(*authority.issue("localhost"))):
        url = f"https://localhost:{peer.port}/"
        finding = await examined(tmp_path, url, f'ca_file = "{authority.certificate}"\n')
    assert (finding.verdict, "set cert_file and key_file" in finding.advice) == ("fail", True)


@pytest.mark.parametrize(
    ("name", "start", "days", "text", "advice"),
    [
        ("localhost", 1, 3, "is not valid yet", "timedatectl"),
        ("localhost", -3, -1, "its certificate expired on", "renew it"),
        ("elsewhere", -2, 2, "is made out to another host name", "correct the host in url"),
    ],
)
async def test_each_fault_of_a_certificate_has_its_remedy(
    tmp_path: Path, authority: Authority, name: str, start: int, days: int, text: str, advice: str
) -> None:
    peer = HttpPeer()
    async with peer.serving(server_side(*authority.issue(name, start=start, days=days))):
        url = f"https://localhost:{peer.port}/"
        finding = await examined(tmp_path, url, f'ca_file = "{authority.certificate}"\n')
    assert finding.verdict == "fail"
    assert text in finding.text and advice in finding.advice


async def test_an_authority_nobody_knows(tmp_path: Path, authority: Authority) -> None:
    peer = HttpPeer()
    async with peer.serving(server_side(*authority.issue("localhost"))):
        finding = await examined(tmp_path, f"https://localhost:{peer.port}/")
    assert (finding.verdict, "set ca_file" in finding.advice) == ("fail", True)


# Proxies


@contextlib.asynccontextmanager
async def tunnelling() -> AsyncIterator[tuple[int, list[bytes]]]:
    """The port of a proxy that connects, and the requests it got."""
    asked: list[bytes] = []

    async def copy(source: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(4096):
                to.write(data)
            to.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        asked.append(request.split(b"\r\n")[0])
        host, _, port = request.split()[1].partition(b":")
        far_reader, far = await asyncio.open_connection(host.decode(), int(port))
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await asyncio.wait([asyncio.create_task(copy(reader, far)), asyncio.create_task(copy(far_reader, writer))])

    proxy = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with proxy:
        yield proxy.sockets[0].getsockname()[1], asked


async def test_https_goes_through_the_proxy_to_the_servers_certificate(tmp_path: Path, authority: Authority) -> None:
    peer = HttpPeer()
    async with peer.serving(server_side(*authority.issue("localhost", days=90))), tunnelling() as (port, asked):
        url = f"https://localhost:{peer.port}/"
        more = f'ca_file = "{authority.certificate}"\nproxy = "http://127.0.0.1:{port}"\n'
        finding = await examined(tmp_path, url, more)
    assert (finding.verdict, "reached, and its certificate" in finding.text) == ("ok", True)
    assert finding.where == f"sink web: localhost:{peer.port} through proxy 127.0.0.1:{port}"
    assert asked == [f"CONNECT localhost:{peer.port} HTTP/1.1".encode()]


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(
    ("status", "text", "advice"),
    [
        (407, "the proxy answers 407 Proxy Authentication Required", "wants a password, which is not supported"),
        (502, "the proxy answers 502 Bad Gateway", "does it let this machine through"),
    ],
)
async def test_a_proxy_that_refuses(tmp_path: Path, scheme: str, status: int, text: str, advice: str) -> None:
    proxy = HttpPeer(reply(status))
    async with proxy.serving():
        finding = await examined(tmp_path, f"{scheme}://cloud.example/in", f'proxy = "http://127.0.0.1:{proxy.port}"\n')
    assert (finding.verdict, finding.text) == ("fail", text)
    assert advice in finding.advice
    wanted = "GET http://cloud.example:80/ " if scheme == "http" else "CONNECT cloud.example:443 "
    assert proxy.requests[0].line.startswith(wanted)


async def test_a_proxy_that_lets_plain_requests_through(tmp_path: Path) -> None:
    proxy = HttpPeer(reply(404))
    async with proxy.serving():
        finding = await examined(tmp_path, "http://cloud.example/in", f'proxy = "http://127.0.0.1:{proxy.port}"\n')
    assert (finding.verdict, finding.text) == ("ok", "reached, without TLS")


async def test_a_proxy_that_says_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(way, "PROXY_PATIENCE", 0.2)

    async def hang(request: Request, writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    for script, text in (
        (hang, "the proxy does not answer within 0.2 s"),
        (hang_up, "the proxy closed the connection without an answer"),
    ):
        proxy = HttpPeer(script)
        async with proxy.serving():
            more = f'proxy = "http://127.0.0.1:{proxy.port}"\n'
            finding = await examined(tmp_path, "https://cloud.example/in", more)
        assert (finding.verdict, finding.text) == ("fail", text)


async def test_a_proxy_that_is_not_there(tmp_path: Path) -> None:
    finding = await examined(tmp_path, "https://cloud.example/in", f'proxy = "http://127.0.0.1:{free_port()}"\n')
    assert (finding.verdict, finding.text) == ("fail", "connection refused: nothing listens there")
