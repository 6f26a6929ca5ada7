"""`edge-collector receive --http` as its own process: what is posted is stored once, and answered when it is."""

import hashlib
import http.client
import re
import signal
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.brokers import Mosquitto
from tests.receiving import EPOCH, Answer, Receive, eventually, listening, plain_batch

CRASH_BEFORE_ANSWER = """
import os, signal
from collector.receive.store import Store
add_posts = Store.add_posts
def crash(self, posts):
    add_posts(self, posts)
    os.kill(os.getpid(), signal.SIGKILL)
Store.add_posts = crash
"""
COUNT_COMMITS = """
from collector.receive.store import Store
add_posts = Store.add_posts
def tell(self, posts):
    print("commit of", len(posts), flush=True)
    return add_posts(self, posts)
Store.add_posts = tell
"""

BUG = """
from collector.receive.store import Store
def bug(self):
    raise RuntimeError("a bug")
Store.count = bug
"""


def test_both_encodings_and_their_duplicates(tmp_path: Path) -> None:
    with listening(tmp_path) as (receive, client):
        first = client.post(plain_batch(1, 3))
        assert (first.status, first.body) == (200, {"stored": 3, "duplicates": 0})
        assert client.post_range(3, 5).body == {"stored": 2, "duplicates": 1}
        assert client.request("GET", "/counts").body == {
            "readings": 5,
            "since_start": {
                "messages": 0,
                "requests": 2,
                "readings": 6,
                "stored": 5,
                "duplicates": 1,
                "invalid": 0,
            },
        }
        assert receive.stop() == {"requests": 2, "readings": 6, "stored": 5, "duplicates": 1}
        assert receive.rows("SELECT * FROM reading WHERE seq = 5") == [
            ("box", EPOCH, 5, "air", "sds", 1700000000123456789, "unsynced", '{"number":5}', None)
        ]


def test_the_same_key_is_answered_alike_also_after_a_restart(tmp_path: Path) -> None:
    with listening(tmp_path) as (receive, client):
        client.post_range(3, 3)
        assert client.post_range(1, 3).body == {"stored": 2, "duplicates": 1}
        assert client.post(plain_batch(1, 3)).body == {"stored": 2, "duplicates": 1}
        assert receive.stop() == {"requests": 3, "readings": 7, "stored": 3, "duplicates": 4}
    with listening(tmp_path) as (receive, client):
        assert client.post_range(1, 3).body == {"stored": 2, "duplicates": 1}
        other = client.post(plain_batch(1, 3, collector="box", more=1))
        assert (other.status, other.body["error"][:15]) == (422, "Idempotency-Key")
        assert receive.count() == 3


@pytest.mark.parametrize("collector", ["a/b", "büro", "100%", "two words"])
def test_a_key_is_percent_encoded_where_a_header_needs_it(tmp_path: Path, collector: str) -> None:
    with listening(tmp_path) as (_, client):
        body = plain_batch(1, 3, collector=collector)
        assert client.post(body, f"{quote(collector, safe='')}/{EPOCH}/1-3").status == 200


def test_killed_between_commit_and_answer(tmp_path: Path) -> None:
    with listening(tmp_path, patch=CRASH_BEFORE_ANSWER) as (receive, client):
        with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
            client.post_range(1, 3)
        assert receive.process.wait(30) == -signal.SIGKILL
        assert receive.count() == 3
    with listening(tmp_path) as (receive, client):
        assert client.post_range(1, 3).body == {"stored": 3, "duplicates": 0}
        assert receive.count() == 3


def test_sigkill_in_mid_stream_stores_each_reading_once(tmp_path: Path) -> None:
    batches, size = 300, 20
    with listening(tmp_path) as (receive, client):

        def deliver(number: int) -> Answer:
            while True:
                try:
                    return client.post_range(number * size + 1, (number + 1) * size)
                except (http.client.HTTPException, OSError):
                    time.sleep(0.02)

        with ThreadPoolExecutor(8) as senders:
            answers = senders.map(deliver, range(batches))
            for share in (0.2, 0.5):
                eventually(lambda share=share, receive=receive: receive.count() > share * batches * size)  # type: ignore[misc]
                receive.end()
                receive = Receive(tmp_path, "--http", f"127.0.0.1:{client.port}")
            try:
                assert [answer.body for answer in answers] == [{"stored": size, "duplicates": 0}] * batches
            finally:
                receive.end()
        assert [seq for (seq,) in receive.rows()] == list(range(1, batches * size + 1))


def test_nothing_is_answered_that_is_not_committed_and_200_posts_share_commits(tmp_path: Path) -> None:
    """While another process holds the database's write lock nothing can be committed, so nothing may be answered."""
    with (
        listening(tmp_path, patch=COUNT_COMMITS) as (receive, client),
        ThreadPoolExecutor(200) as senders,
        closing(sqlite3.connect(receive.database, isolation_level=None)) as blocker,
    ):
        blocker.execute("BEGIN IMMEDIATE")
        posted = [senders.submit(client.post_range, 3 * at + 1, 3 * at + 3) for at in range(200)]
        time.sleep(2)
        assert not any(one.done() for one in posted)
        blocker.execute("ROLLBACK")
        assert [one.result().body for one in posted] == [{"stored": 3, "duplicates": 0}] * 200
        sizes = [int(size) for size in re.findall(r"commit of (\d+)", receive.said())]
        assert sum(sizes) == 200
        assert len(sizes) < 20
        assert receive.stop()["stored"] == 600


def test_sigterm_finishes_what_is_under_way(tmp_path: Path) -> None:
    with (
        listening(tmp_path) as (receive, client),
        ThreadPoolExecutor(1) as sender,
        closing(sqlite3.connect(receive.database, isolation_level=None)) as blocker,
        client.socket() as idle,
    ):
        blocker.execute("BEGIN IMMEDIATE")
        posted = sender.submit(client.post_range, 1, 3)
        time.sleep(0.5)
        receive.process.terminate()
        time.sleep(0.5)
        assert idle.recv(1) == b""
        blocker.execute("ROLLBACK")
        assert posted.result().body == {"stored": 3, "duplicates": 0}
        assert receive.process.wait(10) == 0


def test_a_broker_and_http_fill_one_database(broker: Mosquitto, tmp_path: Path) -> None:
    with listening(tmp_path, "--url", broker.url) as (receive, client):
        eventually(lambda: receive.says("connected to"))
        assert client.post_range(1, 3).status == 200
        broker.stop()
        assert client.post_range(4, 6).status == 200
        assert receive.stop() == {"requests": 2, "readings": 6, "stored": 6}


def test_a_database_that_fails_ends_it(tmp_path: Path) -> None:
    with listening(tmp_path) as (receive, client):
        with closing(sqlite3.connect(receive.database)) as other:
            other.execute("DROP TABLE post")
        answer = client.post_range(1, 3)
        assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
        assert receive.process.wait(10) == 1
        assert receive.says("nothing is acknowledged that is not stored")
        assert receive.count() == 0


def test_the_stored_digest_is_that_of_the_batch(tmp_path: Path) -> None:
    with listening(tmp_path) as (receive, client):
        client.post_range(1, 3)
        assert receive.rows("SELECT * FROM post") == [
            (f"box/{EPOCH}/1-3", hashlib.sha256(plain_batch(1, 3)).digest(), 3, 0)
        ]


def test_a_fault_of_our_own_is_told_once_and_answered(tmp_path: Path) -> None:
    with listening(tmp_path, patch=BUG) as (receive, client):
        for _ in range(3):
            assert client.request("GET", "/counts").status == 500
        assert client.post_range(1, 3).status == 200
        receive.stop()
    said = receive.said()
    assert said.count("internal error; please report it:\nTraceback (most recent call last):") == 1
    assert said.count("RuntimeError: a bug") == 1
