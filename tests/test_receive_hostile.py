"""`edge-collector receive --http` met by clients that are broken, slow, strangers, or mean harm."""

import contextlib
import gzip
import http.client
import socket
import ssl
import subprocess
import sys
import time
import zlib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.mqtt.certificates import Authority
from tests.receiving import EPOCH, Client, Receive, listening, plain_batch, receiving

GOOD = plain_batch(1, 3)
HEAD = f"POST /readings HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nIdempotency-Key: box/{EPOCH}/1-3\r\n"
IMPATIENT = "import collector.receive.server as server\nserver.REQUEST_TIME = 0.5\nserver.KEEP_ALIVE = 0.2"


def readings(**changes: Any) -> bytes:
    """A batch of 1 to 3 whose second reading is changed."""
    good = msgspec.json.decode(GOOD)["readings"]
    return plain_batch(1, 3, readings=[good[0], good[1] | changes, good[2]])


@pytest.mark.parametrize(
    ("body", "headers", "status", "says"),
    [
        (readings(seq="2"), {}, 400, "Expected `int`, got `str` - at `$.readings[1].seq`"),
        (readings(fields=[1]), {}, 400, "fields is not an object - at `$.readings[1]`"),
        (readings(time_ns=2**63), {}, 400, "$.readings[1].time_ns"),
        (readings(seq=9), {}, 400, "from seq 1 to 9, not from 1 to 3"),
        (plain_batch(2, 4), {}, 400, f"says box/{EPOCH}/1-3, the batch is box/{EPOCH}/2-4"),
        (plain_batch(1, 3, collector="other"), {}, 400, "Idempotency-Key says"),
        (plain_batch(1, 3, epoch="0" * 15), {}, 400, "$.epoch"),
        (plain_batch(1, 3, readings=[]), {}, 400, "without readings"),
        (GOOD[:-1], {}, 400, "truncated"),
        (b"", {}, 400, "truncated"),
        (b"rubbish", {}, 400, "malformed"),
        (b"\xff\xfe", {}, 400, "malformed"),
        (b"[" * 100_000, {}, 400, "Expected `object`"),
        (gzip.compress(GOOD), {}, 400, "malformed"),
        (GOOD, {"Content_Encoding": "gzip"}, 400, "incorrect header"),
        (zlib.compress(GOOD), {"Content_Encoding": "gzip"}, 400, "incorrect header"),
        (gzip.compress(GOOD)[:-9], {"Content_Encoding": "gzip"}, 400, "cut short"),
        (gzip.compress(GOOD) + b"more", {"Content_Encoding": "gzip"}, 400, "something follows"),
        (GOOD, {"Content_Encoding": "br"}, 415, "gzip"),
        (GOOD, {"Content_Type": "text/plain"}, 415, "application/json"),
        (GOOD, {"Idempotency_Key": "%FF"}, 400, "not UTF-8"),
        (GOOD, {"Idempotency_Key": "\n".join(("a", " b"))}, 400, "Idempotency-Key says"),
        (b"x" * (8 * 2**20 + 1), {}, 413, "8388608"),
    ],
)
def test_what_is_refused_is_named_and_nothing_of_it_stored(
    serving: tuple[Receive, Client], body: bytes, headers: dict[str, str], status: int, says: str
) -> None:
    receive, client = serving
    answer = client.post(body, **headers)
    assert answer.status == status
    assert says in answer.body["error"]
    assert "\n" not in answer.body["error"]
    assert receive.count() == 0


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One process for all that leaves nothing behind."""
    with listening(tmp_path_factory.mktemp("receive")) as both:
        yield both


def test_other_pages_and_methods(serving: tuple[Receive, Client]) -> None:
    _, client = serving
    assert client.request("POST", "/").status == 404
    assert client.request("GET", "/readings").headers["Allow"] == "POST"
    assert client.request("DELETE", "/counts").headers["Allow"] == "GET, HEAD"
    assert client.request("HEAD", "/counts").status == 200
    missing = client.request("POST", "/readings", GOOD, Content_Type="application/json")
    assert (missing.status, missing.body["error"]) == (400, "send Idempotency-Key: collector/epoch/first-last")


def exchange(client: Client, sent: bytes) -> bytes:
    with client.socket() as connection:
        connection.sendall(sent)
        with contextlib.suppress(ConnectionError):
            return connection.recv(65536)
    return b""


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (f"{HEAD}\r\n", b"411"),
        (f"{HEAD}Content-Length: -1\r\n\r\n", b"400"),
        (f"{HEAD}Content-Length: 1\r\nContent-Length: 2\r\n\r\n", b"400"),
        (f"{HEAD}Content-Length: 99999999999\r\nExpect: 100-continue\r\n\r\n", b"413"),
        (f"{HEAD}Transfer-Encoding: chunked\r\n\r\nzz\r\n", b"400"),
        ("\x16\x03\x01\x02\x00\r\n\r\n", b"400"),
        ("GET /counts HTTP/1.1\r\nA: " + "x" * 100_000, b"4"),
    ],
)
def test_what_is_not_http(serving: tuple[Receive, Client], sent: str, status: bytes) -> None:
    _, client = serving
    answer = exchange(client, sent.encode("latin-1"))
    assert answer.startswith(b"HTTP/1.1 " + status) or not answer
    assert client.request("GET", "/counts").status == 200


def test_chunks_of_any_size_and_a_connection_that_stays(tmp_path: Path) -> None:
    chunked = b"".join(b"1\r\n%c\r\n" % byte for byte in GOOD) + b"0\r\n\r\n"
    with listening(tmp_path) as (receive, client), client.socket() as connection:
        for _ in range(2):
            connection.sendall(f"{HEAD}Transfer-Encoding: chunked\r\n\r\n".encode() + chunked)
            response = http.client.HTTPResponse(connection)
            response.begin()
            assert response.read() == b'{"stored":3,"duplicates":0}\n'
        assert receive.count() == 3


@pytest.mark.parametrize("kept", [0, 1, len(GOOD) // 2, len(GOOD) - 1])
def test_a_body_that_breaks_off_stores_nothing(serving: tuple[Receive, Client], kept: int) -> None:
    receive, client = serving
    with client.socket() as connection:
        connection.sendall(f"{HEAD}Content-Length: {len(GOOD)}\r\n\r\n".encode() + GOOD[:kept])
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1) == b""
    assert receive.count() == 0


def test_a_zip_bomb_is_refused_without_being_unfolded(tmp_path: Path) -> None:
    deflater = zlib.compressobj(9, wbits=31)
    bomb = b"".join(deflater.compress(b" " * 2**20) for _ in range(1024)) + deflater.flush()
    with listening(tmp_path) as (receive, client):
        answer = client.post(bomb, Content_Encoding="gzip")
        assert (answer.status, answer.body["error"]) == (413, "more than 16777216 bytes when decompressed")
        assert receive.peak() < 250 * 2**20


def test_bodies_that_never_end_are_bounded_together_and_shut_no_usual_batch_out(tmp_path: Path) -> None:
    with listening(tmp_path) as (receive, client), contextlib.ExitStack() as stack:
        for _ in range(20):
            connection = stack.enter_context(client.socket())
            connection.settimeout(2)
            with contextlib.suppress(OSError):
                connection.sendall(f"{HEAD}Content-Length: {8 * 2**20}\r\n\r\n".encode() + b"x" * 7 * 2**20)
        large = client.post(b" " * 6 * 2**20)
        assert (large.status, large.headers["Retry-After"]) == (503, "1")
        assert client.post(GOOD).status == 200
        assert receive.peak() < 150 * 2**20
        stack.close()
        while (large := client.post(b" " * 6 * 2**20)).status == 503:
            time.sleep(0.05)
        assert large.status == 422


@pytest.mark.parametrize(
    "sent",
    ["", "POST /readings HTTP/1.1\r\nX-Slow: ", f"{HEAD}Content-Length: 1000\r\n\r\n"],
    ids=["silent", "half a head", "half a body"],
)
def test_a_slow_client_is_ended(tmp_path: Path, sent: str) -> None:
    with listening(tmp_path, patch=IMPATIENT) as (_, client), client.socket() as connection:
        began = time.monotonic()
        connection.settimeout(0.05)
        connection.sendall(sent.encode())
        with contextlib.suppress(ConnectionError):
            while True:  # a byte now and then does not help
                with contextlib.suppress(TimeoutError):
                    if connection.recv(1) == b"":
                        break
                if sent:
                    connection.sendall(b"x")
        assert 0.3 < time.monotonic() - began < 3


def test_idle_connections_shut_nobody_out(tmp_path: Path) -> None:
    with listening(tmp_path) as (_, client), contextlib.ExitStack() as stack:
        for _ in range(400):
            stack.enter_context(client.socket()).sendall(b"POST /readings HTTP/1.1\r\n")
        began = time.monotonic()
        assert client.post(GOOD).status == 200
        assert time.monotonic() - began < 2


def test_only_the_token_gets_in(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s3cret\n")
    with listening(tmp_path, "--token-file", str(tmp_path / "token")) as (receive, client):
        for authorization in ("", "Bearer s3cre", "Bearer", "Basic s3cret"):
            refused = client.post(GOOD, Authorization=authorization)
            assert (refused.status, refused.headers["WWW-Authenticate"]) == (401, 'Bearer realm="edge-collector"')
            assert client.request("GET", "/counts", Authorization=authorization).status == 401
        assert receive.count() == 0
        assert client.post(GOOD, Authorization="bearer s3cret").status == 200
        assert "s3cret" not in receive.said()


def test_only_certified_clients_get_in(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    stranger = Authority(tmp_path / "stranger")
    certificate, key = authority.issue("localhost")
    tls = ("--cert-file", str(certificate), "--key-file", str(key), "--client-ca-file", str(authority.certificate))
    with receiving(tmp_path, "--http", "127.0.0.1:0", *tls, ready="listening on https://") as receive:
        for issuer, admitted in ((authority, True), (stranger, False), (None, False)):
            context = ssl.create_default_context(cafile=str(authority.certificate))
            context.check_hostname = False  # the certificate's name is localhost
            if issuer is not None:
                context.load_cert_chain(*issuer.issue("collector"))
            client = Client(receive, context)
            if admitted:
                assert client.post(GOOD).body == {"stored": 3, "duplicates": 0}
            else:
                with pytest.raises((ssl.SSLError, ConnectionError, http.client.HTTPException)):
                    client.post(plain_batch(4, 6), f"box/{EPOCH}/4-6")
        with pytest.raises((ConnectionError, http.client.HTTPException)):
            Client(receive).post(GOOD)
        assert receive.stop() == {"requests": 1, "readings": 3, "stored": 3}


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ((), 2),
        (("--http", "8080"), 2),
        (("--http", "unix:/run/receive.sock"), 2),
        (("--http", "192.0.2.1:8080"), 1),
        (("--http", "127.0.0.1:0", "--token-file", "/nonexistent"), 2),
        (("--http", "127.0.0.1:0", "--client-ca-file", "/nonexistent"), 2),
        (("--http", "127.0.0.1:0", "--cert-file", "/nonexistent"), 2),
    ],
)
def test_wrong_arguments(arguments: tuple[str, ...], code: int, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "collector", "receive", "--db", str(tmp_path / "db"), *arguments],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stderr.count("\n")) == (code, 1)
