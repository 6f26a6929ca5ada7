"""The queue between the data path and the log's reader, with readers that do not read."""

import contextlib
import fcntl
import json
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from collector.log import events, formats
from collector.log.destination import Descriptor, Destination
from collector.log.handler import FLUSH, QUEUE_BYTES, QueueHandler
from collector.log.rate import RateLimit
from tests.log.records import record

LINES = 3 * QUEUE_BYTES // 500
"""Each above 500 bytes: three times what the queue holds."""


class NoLimit(RateLimit):
    def admit(self, record: logging.LogRecord) -> int:
        return 0


@contextlib.contextmanager
def handler(destination: Destination, form: formats.Format = formats.ecs) -> Iterator[QueueHandler]:
    handler = QueueHandler(destination, form, NoLimit())
    handler.start()
    try:
        yield handler
    finally:
        handler.close()


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """Read and write end, with room for one page."""
    ends = os.pipe()
    fcntl.fcntl(ends[1], fcntl.F_SETPIPE_SZ, 4096)
    yield ends
    for end in ends:
        with contextlib.suppress(OSError):
            os.close(end)


def slowest(handler: QueueHandler) -> float:
    """Seconds of the slowest call while `LINES` lines are logged."""
    times = []
    for number in range(LINES):
        start = time.perf_counter()
        handler.handle(record(events.SOURCE_LOST, "%d %s", number, "x" * 500, source="air"))
        times.append(time.perf_counter() - start)
    return max(times)


def read_lines(descriptor: int, enough: Callable[[list[dict[str, object]]], bool]) -> list[dict[str, object]]:
    data = b""
    lines: list[dict[str, object]] = []
    while not enough(lines):
        chunk = os.read(descriptor, 65536)
        assert chunk, "the log ended"
        data += chunk
        lines = [json.loads(line) for line in data.splitlines(keepends=True) if line.endswith(b"\n")]
    return lines


def told(lines: list[dict[str, object]]) -> bool:
    return any(line.get("event.action") == "log.dropped" for line in lines)


def test_a_full_pipe_holds_nobody_up_and_what_was_lost_is_told(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    with handler(Descriptor(writing)) as logging_to_it:
        assert slowest(logging_to_it) < 0.5
        newest = f"{LINES - 1} "
        lines = read_lines(reading, lambda lines: bool(lines) and str(lines[-1]["message"]).startswith(newest))
    reports = [line for line in lines if line.get("event.action") == "log.dropped"]
    counts = [int(report["labels"]["dropped"]) for report in reports]  # type: ignore[index]
    assert [report["message"] for report in reports] == [
        f"log: {count} lines lost while nobody read them" for count in counts
    ]
    assert sum(counts) > LINES / 2
    assert len(lines) == LINES - sum(counts) + len(reports)


def test_a_reader_that_never_reads_keeps_nobody_from_stopping(pipe: tuple[int, int]) -> None:
    with handler(Descriptor(pipe[1])) as logging_to_it:
        slowest(logging_to_it)
        start = time.monotonic()
    assert time.monotonic() - start < FLUSH + 1
    os.close(pipe[0])
    for thread in threading.enumerate():
        if thread.name == "log":
            thread.join(5)  # else it would write to whatever gets this descriptor next


def test_a_descriptor_somebody_made_non_blocking(pipe: tuple[int, int]) -> None:
    os.set_blocking(pipe[1], False)
    with handler(Descriptor(pipe[1])) as logging_to_it:
        for number in range(100):
            logging_to_it.handle(record(events.SOURCE_LOST, "%d %s", number, "x" * 500, source="air"))
        lines = read_lines(pipe[0], lambda lines: len(lines) == 100)
    assert [str(line["message"]).split()[0] for line in lines] == [str(number) for number in range(100)]
    assert not os.get_blocking(pipe[1])


def test_a_closed_pipe_is_survived(pipe: tuple[int, int]) -> None:
    os.close(pipe[0])
    with handler(Descriptor(pipe[1])) as logging_to_it:
        assert slowest(logging_to_it) < 0.5


def test_the_last_lines_leave_at_a_stop(pipe: tuple[int, int]) -> None:
    with handler(Descriptor(pipe[1])) as logging_to_it:
        logging_to_it.handle(record(events.DAEMON_STOPPING, "stopping"))
    assert json.loads(os.read(pipe[0], 65536))["message"] == "stopping"


def test_a_line_that_cannot_be_formatted_is_counted(pipe: tuple[int, int]) -> None:
    with handler(Descriptor(pipe[1])) as logging_to_it:
        logging_to_it.handle(record(events.DAEMON_STOPPING, "%d", "no number"))
        logging_to_it.handle(record(events.DAEMON_STOPPING, "stopping"))
    assert [line["message"] for line in read_lines(pipe[0], told)] == [
        "stopping",
        "log: 1 lines lost while nobody read them",
    ]


def test_many_threads_at_once(pipe: tuple[int, int]) -> None:
    with handler(Descriptor(pipe[1])) as logging_to_it:

        def work() -> None:
            for _ in range(100):
                logging_to_it.handle(record(events.SOURCE_LOST, "line", source="air"))

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        lines = read_lines(pipe[0], lambda lines: len(lines) >= 400)
        for thread in threads:
            thread.join()
    assert {line["message"] for line in lines} == {"line"}
