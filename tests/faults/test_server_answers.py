"""A web server that refuses, delays, lies and vanishes: what it does not take waits, or is set aside for good."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterator
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.rig import Rig, publish, until
from tests.faults.threads import in_thread
from tests.sinks.http_peer import ACCEPTED, HttpPeer, Request, Script, hang_up, reply

N = 600


class Ingest:
    """Takes readings by identity, once. `judge` may say otherwise: whether a request's readings are taken, and what
    is answered."""

    def __init__(self) -> None:
        self.peer = HttpPeer(self._serve)
        self.judge: Callable[[Request], tuple[bool, Script]] = lambda request: (True, ACCEPTED)
        self.times: list[float] = []
        self.taken: Counter[int] = Counter()
        self._identities: set[str] = set()
        self._bodies: dict[str, bytes] = {}
        self.changed: list[str] = []
        """Keys that came again with other bytes."""

    async def _serve(self, request: Request, writer: asyncio.StreamWriter) -> None:
        self.times.append(time.monotonic())
        if self._bodies.setdefault(request.key, request.body) != request.body:
            self.changed.append(request.key)
        taken, script = self.judge(request)
        if taken:
            batch = request.batch
            for reading, identity in zip(batch["readings"], request.identities, strict=True):
                if identity not in self._identities:
                    self._identities.add(identity)
                    self.taken[reading["fields"]["n"]] += 1
        await script(request, writer)


def numbers(request: Request) -> list[int]:
    return [reading["fields"]["n"] for reading in request.batch["readings"]]


@pytest.fixture
def ingest() -> Iterator[Ingest]:
    ingest = Ingest()
    with in_thread(ingest.peer.serving()):
        yield ingest


@contextlib.contextmanager
def delivering(tmp_path: Path, ingest: Ingest) -> Iterator[Rig]:
    web = f"""
    [sinks.web]
    type = "http"
    url = "{ingest.peer.url}"
    timeout = "2s"
    backoff = {{ min = "100ms", max = "3s" }}
    """
    with Rig(tmp_path, extra=web) as rig:
        yield rig


def sink(rig: Rig) -> dict[str, Any]:
    report: dict[str, Any] = rig.status()["sinks"]["web"]
    return report


def check(rig: Rig, ingest: Ingest, dead: set[int] = frozenset()) -> None:  # type: ignore[assignment]
    """Everything was taken once, but for what is dead; a retry was the same to the byte; the other sink has it all."""
    rig.check_exactly_once(N)
    until(lambda: sink(rig)["ledger"]["pending"] == 0, "the server to have it all")
    books = sink(rig)["ledger"]
    assert (books["received"], books["delivered"], books["dead"]) == (N, N - len(dead), len(dead))
    assert (books["dropped"], books["remainder"]) == ({}, 0)
    assert ingest.taken == Counter(set(range(N)) - dead)
    assert ingest.changed == []


@pytest.mark.fault(33)
def test_bodies_too_large_are_halved_down_to_the_one_that_is(tmp_path: Path, ingest: Ingest) -> None:
    giant = 77

    def judge(request: Request) -> tuple[bool, Script]:
        found = numbers(request)
        return (False, reply(413)) if len(found) > 40 or giant in found else (True, ACCEPTED)

    ingest.judge = judge
    with delivering(tmp_path, ingest) as rig:
        publish(rig.devices.port, range(N))
        check(rig, ingest, {giant})


@pytest.mark.fault(34)
@pytest.mark.parametrize("status", [400, 422])
def test_poison_is_isolated_and_the_rest_flows(tmp_path: Path, ingest: Ingest, status: int) -> None:
    poison = {5, 6, 300, N - 1}

    def judge(request: Request) -> tuple[bool, Script]:
        return (False, reply(status, "n is not good")) if poison & set(numbers(request)) else (True, ACCEPTED)

    ingest.judge = judge
    with delivering(tmp_path, ingest) as rig:
        publish(rig.devices.port, range(N))
        check(rig, ingest, poison)
        assert len(ingest.peer.requests) < N, "it does not bisect"


@pytest.mark.fault(35)
@pytest.mark.parametrize("status", [401, 403])
def test_a_token_revoked_for_a_while_drops_nothing(tmp_path: Path, ingest: Ingest, status: int) -> None:
    with delivering(tmp_path, ingest) as rig:
        ingest.judge = lambda request: (False, reply(status, "who are you?"))
        publish(rig.devices.port, range(N))
        until(lambda: sink(rig)["state"] == "held", "the sink to hold")
        until(lambda: sink(rig)["ledger"]["received"] == N, "all messages")
        assert sink(rig)["ledger"]["pending"] == N
        ingest.judge = lambda request: (True, ACCEPTED)
        check(rig, ingest)
        assert rig.daemon.log.read_text().count("sink.held") == 1


@pytest.mark.fault(36)
@pytest.mark.slow_fault
@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("kind", ["seconds", "date", "absurd"])
def test_retry_after_is_honoured_and_capped(tmp_path: Path, ingest: Ingest, status: int, kind: str) -> None:
    """By `backoff.max`, 3 s here."""

    def judge(request: Request) -> tuple[bool, Script]:
        value = {"seconds": "2", "date": formatdate(time.time() + 3, usegmt=True), "absurd": "99999999999999"}[kind]
        return False, reply(status, Retry_After=value)

    ingest.judge = judge
    with delivering(tmp_path, ingest) as rig:
        publish(rig.devices.port, range(N))
        until(lambda: sink(rig)["state"] == "waiting", "the sink to back off")
        seen = len(ingest.times)
        until(lambda: len(ingest.times) > seen, "the next attempt", 10)
        if kind != "absurd":
            assert ingest.times[seen] - ingest.times[seen - 1] > 1.0
        ingest.judge = lambda request: (True, ACCEPTED)
        check(rig, ingest)


@pytest.mark.fault(37)
@pytest.mark.parametrize(
    "answer",
    [
        "reply lost",
        "reset after 204",
        "cut short",
        "login page",
        pytest.param("never", marks=pytest.mark.slow_fault),
    ],
)
def test_an_answer_that_cannot_be_relied_on_means_the_same_again(tmp_path: Path, ingest: Ingest, answer: str) -> None:
    """Each request is answered badly the first time: what the server had committed comes under the same key."""
    seen: set[str] = set()

    async def reset_after_204(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        await writer.drain()
        writer.transport.abort()

    async def cut_short(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\nContent-Type: application/json\r\n\r\n{")
        await writer.drain()
        writer.close()

    async def never(request: Request, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(60)

    taken, script = {
        "reply lost": (True, hang_up),
        "reset after 204": (True, reset_after_204),
        "cut short": (True, cut_short),
        "login page": (False, reply(200, "<!DOCTYPE html><p>log in", Content_Type="text/html")),
        "never": (True, never),
    }[answer]

    def judge(request: Request) -> tuple[bool, Script]:
        if request.key in seen or len(seen) >= 4:
            return True, ACCEPTED
        seen.add(request.key)
        return taken, script

    ingest.judge = judge
    with delivering(tmp_path, ingest) as rig:
        publish(rig.devices.port, range(N))
        check(rig, ingest)
        assert seen
