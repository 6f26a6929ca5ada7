"""`edge-collector spool` as it is typed, against a real daemon, a killed one and a stopped one."""

import gzip
import http.server
import json
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.brokers import Mosquitto
from tests.end_to_end.rig import Program, publish, until

N = 120


class Server(http.server.ThreadingHTTPServer):
    """Refuses every reading for good until it is told otherwise; counts the ids of those it takes."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.refuses = True
        self.taken: Counter[str] = Counter()
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Answer(http.server.BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        batch = json.loads(gzip.decompress(self.rfile.read(int(self.headers["Content-Length"]))))
        body = b"humidity above 100 %" if self.server.refuses else b""
        if not self.server.refuses:
            self.server.taken.update(
                f"{batch['collector']}/{batch['epoch']}/{reading['seq']}" for reading in batch["readings"]
            )
        self.send_response(422 if self.server.refuses else 200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        pass


class Box:
    def __init__(self, folder: Path, broker: Mosquitto) -> None:
        self.file = folder / "collector.toml"
        self.server = Server()
        self.broker = broker
        self.folder = folder
        self.configure("web")
        self.daemon = Program(folder, "run", "-c", str(self.file))

    def start(self) -> None:
        """Until it has the lock, a question would take it."""
        before = self.daemon.log.read_text().count("collecting as") if self.daemon.log.exists() else 0
        self.daemon.start()
        until(lambda: self.daemon.log.read_text().count("collecting as") > before, "the daemon")

    def configure(self, sink: str) -> None:
        self.file.write_text(
            f"""
            [collector]
            id = "box"
            data_dir = "{self.folder}/data"
            [sources.meter]
            type = "mqtt"
            url = "{self.broker.url}"
            topics = ["meter/+"]
            profile = "json-lines"
            [sinks.{sink}]
            type = "http"
            url = "http://127.0.0.1:{self.server.server_address[1]}/readings"
            backoff = {{ min = "100ms", max = "1s" }}
            [status]
            listen = "unix:{self.folder}/status.sock"
            """
        )

    def spool(self, *arguments: str, code: int = 0) -> str:
        """What it prints; on standard error where it fails."""
        result = subprocess.run(
            [sys.executable, "-m", "collector", "spool", *arguments, "-c", str(self.file)],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert result.returncode == code, result.stderr
        assert "Traceback" not in result.stderr
        return result.stderr if code else result.stdout

    def books(self, sink: str = "web") -> dict[str, object]:
        books: dict[str, object] = json.loads(self.spool("stats", "--json"))["sinks"][sink]
        return books


@pytest.fixture
def box(tmp_path: Path, broker: Mosquitto) -> Iterator[Box]:
    """A daemon whose server has refused every one of `N` readings."""
    box = Box(tmp_path, broker)
    try:
        box.start()
        until(lambda: "source meter: connected" in box.daemon.log.read_text(), "the subscription")
        publish(broker.port, range(N))
        until(lambda: box.books()["dead"] == N, "the server to refuse everything")
        yield box
    finally:
        box.daemon.close()
        box.server.shutdown()
        box.server.server_close()


def test_refused_shown_requeued_killed_and_delivered_once(box: Box) -> None:
    assert "sink web refused 120 readings for good: edge-collector spool dead" in box.spool("stats")
    shown = box.spool("dead")
    assert shown.count("humidity above 100 %") == N
    assert "Dead letters: 120. When the reason is mended, send them again under the same ids:" in shown
    letters = [json.loads(line) for line in box.spool("dead", "--json").splitlines()]
    ids = [letter["id"] for letter in letters]
    exported = [json.loads(line) for line in box.spool("export", "--dead").splitlines()]
    assert [line["id"] for line in exported] == ids
    assert sorted(line["fields"]["n"] for line in exported) == list(range(N))

    assert "nothing was requeued" in box.spool("requeue", ids[0], "box/0000000000000000/7", code=1)
    box.server.refuses = False
    assert box.spool("requeue", ids[0]) == "Readings on their way again: 1\n"
    until(lambda: box.server.taken[ids[0]] == 1, "the one reading")

    asked = subprocess.Popen(
        [sys.executable, "-m", "collector", "spool", "requeue", "--all", "-c", str(box.file)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    until(lambda: len(box.server.taken) > 1, "the first of the others")
    box.daemon.end(signal.SIGKILL)
    asked.communicate(timeout=60)
    books = box.books()
    assert (books["received"], books["remainder"]) == (N, 0), books
    box.spool("requeue", "--all")
    box.start()
    until(lambda: box.books()["delivered"] == N, "everything to be delivered")
    assert set(box.server.taken) == set(ids), "a requeued reading has another identity"
    books = box.books()
    assert (books["pending"], books["dead"], books["remainder"]) == (0, 0, 0)
    assert box.spool("dead") == "No dead letters.\n"


def test_a_sink_leaves_and_is_forgotten(box: Box) -> None:
    assert "sink web is configured: remove it" in box.spool("forget", "web", code=1)
    box.daemon.end()
    box.configure("other")
    box.start()
    until(lambda: "sink web: not configured any more" in box.daemon.log.read_text(), "the word of the departed sink")
    assert "sink web left the configuration: what is kept for it is dropped after" in box.spool("stats")
    assert "their sinks are not configured any more: 120" in box.spool("requeue", "--all")
    assert box.spool("forget", "web") == "Readings of sink web dropped, and counted: 120\n"
    books = box.books()
    assert (books["dropped"], books["dead"], books["remainder"]) == ({"departed": N}, 0, 0)
    assert box.daemon.end() == 0
    assert box.books() == books
