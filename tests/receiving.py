"""`edge-collector receive` as its own process, batches for it, and a client that posts them."""

import gzip
import http.client
import re
import socket
import sqlite3
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

EPOCH = "5f2c9a1e03b7d846"


def plain_batch(first: int, last: int, **changes: Any) -> bytes:
    """Not compressed."""
    reading = {"source": "air", "device": "sds", "time_ns": 1_700_000_000_123_456_789, "clock": "unsynced"}
    body = {
        "collector": "box",
        "epoch": EPOCH,
        "first_seq": first,
        "last_seq": last,
        "readings": [reading | {"seq": seq, "fields": {"number": seq}} for seq in range(first, last + 1)],
    }
    return msgspec.json.encode(body | changes)


class Receive:
    """The command as its own process; its output goes to a file."""

    def __init__(self, folder: Path, *arguments: str, patch: str = "") -> None:
        """`patch` is Python that runs in the process before the command."""
        self.database = folder / "received.sqlite3"
        self.output = folder / "receive.log"
        self.output.touch()
        self._begin = self.output.stat().st_size
        code = f"import sys\nfrom collector.cli import main\n{patch}\nsys.exit(main(sys.argv[1:]))"
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-c", code, "receive", "--db", str(self.database), *arguments],
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def rows(self, sql: str = "SELECT seq FROM reading ORDER BY seq") -> list[Any]:
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as connection:
            return connection.execute(sql).fetchall()

    def count(self) -> int:
        try:
            return int(self.rows("SELECT count(*) FROM reading")[0][0])
        except sqlite3.OperationalError:
            return 0

    def said(self) -> str:
        """All of this process's output; earlier ones wrote to the same file."""
        return self.output.read_bytes()[self._begin :].decode()

    def says(self, text: str) -> bool:
        return text in self.said()

    def peak(self) -> int:
        """Bytes of memory it has had at most."""
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{self.process.pid}/status").read_text())
        assert found is not None
        return int(found[1]) * 1024

    def stop(self) -> dict[str, int]:
        """SIGTERM; returns the counts of its last line that are not 0."""
        self.process.terminate()
        assert self.process.wait(30) == 0
        counts = re.findall(r"(\w+) (\d+)", self.said().splitlines()[-1])
        return {name: int(count) for name, count in counts if int(count)}

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


@contextmanager
def receiving(folder: Path, *arguments: str, ready: str, patch: str = "") -> Iterator[Receive]:
    """Has said `ready` on entry."""
    receive = Receive(folder, *arguments, patch=patch)
    try:
        eventually(lambda: receive.says(ready))
        yield receive
    finally:
        receive.end()


class Answer(NamedTuple):
    status: int
    body: Any
    headers: http.client.HTTPMessage


class Client:
    """A connection a request, to what the process says it listens on."""

    def __init__(self, receive: Receive, tls: ssl.SSLContext | None = None) -> None:
        found = re.search(r"listening on https?://\S+:(\d+)\n", receive.said())
        assert found is not None
        self.port = int(found[1])
        self._tls = tls

    def request(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        if self._tls is None:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        else:
            connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=30, context=self._tls)
        with closing(connection):
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, named)
            response = connection.getresponse()
            content = response.read()
            return Answer(response.status, msgspec.json.decode(content) if content else None, response.headers)

    def post(self, body: bytes, key: str | None = None, **headers: str) -> Answer:
        """`key` is that of readings 1 to 3 unless told."""
        usual = {"Content_Type": "application/json", "Idempotency_Key": key or f"box/{EPOCH}/1-3"}
        return self.request("POST", "/readings", body, **usual | headers)

    def post_range(self, first: int, last: int) -> Answer:
        body = gzip.compress(plain_batch(first, last), mtime=0)
        return self.post(body, f"box/{EPOCH}/{first}-{last}", Content_Encoding="gzip")

    def socket(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)


@contextmanager
def listening(folder: Path, *arguments: str, patch: str = "") -> Iterator[tuple[Receive, Client]]:
    with receiving(folder, "--http", "127.0.0.1:0", *arguments, ready="listening on", patch=patch) as receive:
        yield receive, Client(receive)


def eventually(holds: Callable[[], bool], within: float = 30.0) -> None:
    deadline = time.monotonic() + within
    while not holds():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
