"""All examinations at once, each bounded in time and none able to spoil another."""

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator
from functools import partial
from typing import NamedTuple, TypeVar

from collector.clock import SystemClock
from collector.config import port
from collector.config.load import Loaded
from collector.config.model import FileSink, HttpSink, ModbusSource, MqttSink, MqttSource, SerialSource, Tls
from collector.doctor import (
    broker,
    broker_queue,
    certificate,
    clock,
    daemon,
    database,
    disk,
    remote_line,
    sandbox,
    serial_console,
    serial_port,
    server,
    spool_files,
    unit,
)
from collector.doctor.finding import Finding, Subject
from collector.errors import CollectorError
from collector.status.report import Report

PATIENCE = 5.0
"""Seconds for one examination."""

Answer = TypeVar("Answer")


class _Examination(NamedTuple):
    subject: Subject
    run: Callable[[Subject], Awaitable[Iterable[Finding]]]


async def examine(loaded: Loaded) -> list[Finding]:
    """In the order in which a person would look; raises nothing."""
    running, report = await _ask_daemon(loaded)
    examinations = list(_examinations(loaded, report))
    found = await asyncio.gather(*(_bounded(examination) for examination in examinations))
    return [running, *(finding for findings in found for finding in findings)]


async def _ask_daemon(loaded: Loaded) -> tuple[Finding, Report | None]:
    subject = Subject("collector", loaded.configuration.status.listen or "status.listen")
    try:
        async with asyncio.timeout(PATIENCE + 1):
            return await _in_thread(partial(daemon.ask, subject, loaded))
    except Exception as error:
        return subject.fail(*_accident(error)), None


def _examinations(loaded: Loaded, report: Report | None) -> Iterator[_Examination]:
    configuration = loaded.configuration
    data_dir = configuration.collector.data_dir
    if report is not None:
        yield _blocking("state", "/status", lambda subject: daemon.states(report))
        yield _blocking("books", "/status", lambda subject: daemon.books(subject, report))
    yield _blocking("service", unit.UNIT, unit.examine)
    yield _blocking("clock", "kernel", lambda subject: clock.examine(subject, SystemClock(), report))
    if configuration.sinks:
        limit = configuration.spool.max_bytes
        used = report.spool.bytes if report is not None else 0
        yield _blocking("disk", str(data_dir), lambda subject: disk.data_directory(subject, data_dir, limit, used))
        yield _blocking("database", str(data_dir), lambda subject: database.examine(subject, data_dir))
        yield _blocking("spool", str(data_dir), lambda subject: spool_files.examine(subject, data_dir))
        if report is not None:
            yield _blocking("flash", str(data_dir), lambda subject: disk.card_life(subject, data_dir, report))
        yield _blocking("tail journal", "tmpfs", lambda subject: disk.tail_journal(subject, report))
    mode = configuration.sandbox.mode
    yield _blocking("sandbox", "kernel", lambda subject: sandbox.examine(subject, mode, report))
    for name, source in configuration.sources.items():
        where = f"source {name}"
        if isinstance(source, SerialSource | ModbusSource):
            open_already = report is not None and name in report.sources and report.sources[name].connected
            yield from _line(where, source, open_already)
        elif isinstance(source, MqttSource):
            yield _Examination(
                Subject("broker", where), partial(broker.examine, name=name, section=source, loaded=loaded)
            )
            if source.qos:
                yield _Examination(
                    Subject("broker's queue", where),
                    partial(broker_queue.examine, name=name, section=source, loaded=loaded),
                )
            if report is not None and name in report.sources:
                messages = report.sources[name].messages
                yield _blocking("QoS 0", where, partial(broker_queue.unqueued, messages=messages))
        yield from _own_certificate(where, source, loaded)
    for name, sink in configuration.sinks.items():
        where = f"sink {name}"
        if isinstance(sink, MqttSink):
            yield _Examination(
                Subject("broker", where), partial(broker.examine, name=name, section=sink, loaded=loaded)
            )
        elif isinstance(sink, HttpSink):
            yield _Examination(Subject("server", where), partial(server.examine, section=sink, loaded=loaded))
        elif isinstance(sink, FileSink):
            yield _blocking("file", where, partial(disk.file_sink, path=sink.path))
        yield from _own_certificate(where, sink, loaded)


def _line(where: str, source: SerialSource | ModbusSource, in_use: bool) -> Iterator[_Examination]:
    url = source.url if isinstance(source, ModbusSource) else None
    place = port.parse_tcp(url) if url is not None else port.parse(source.port or "")
    if isinstance(place, port.NetworkPort):
        yield _blocking("line", where, partial(remote_line.examine, place=place, in_use=in_use))
    elif isinstance(place, port.UsbPort):
        yield _blocking("serial port", where, partial(serial_port.examine_usb, wanted=place, in_use=in_use))
    else:
        yield _blocking("serial port", where, partial(serial_port.examine, port=place, in_use=in_use))
        yield _blocking("serial console", where, partial(serial_console.examine, port=place))


def _own_certificate(where: str, section: object, loaded: Loaded) -> Iterator[_Examination]:
    if isinstance(section, Tls) and section.cert_file is not None:
        name = section.cert_file
        yield _blocking(
            "our certificate", where, lambda subject: certificate.own(subject, name, loaded.folder, SystemClock())
        )


def _blocking(subject: str, where: str, look: Callable[[Subject], Iterable[Finding]]) -> _Examination:
    return _Examination(Subject(subject, where), lambda made: _in_thread(lambda: list(look(made))))


async def _bounded(examination: _Examination) -> list[Finding]:
    subject = examination.subject
    try:
        async with asyncio.timeout(PATIENCE):
            return list(await examination.run(subject))
    except TimeoutError:
        advice = "try again; if it stays so, look at the network or the device itself"
        return [subject.fail(f"no answer within {PATIENCE:g} s", advice)]
    except Exception as error:
        return [subject.fail(*_accident(error))]


def _accident(error: Exception) -> tuple[str, str]:
    if isinstance(error, CollectorError):
        return str(error).replace("\n", "; "), "edge-collector check names every mistake of the configuration"
    if isinstance(error, OSError):
        return f"cannot be examined: {error}", "run the doctor as root, or as the collector's user"
    return f"cannot be examined: {type(error).__name__}: {error}", "this is a bug: please report it"


async def _in_thread(look: Callable[[], Answer]) -> Answer:
    """A thread of its own that may stay behind: asyncio's are waited for at the end, a wedged device for ever."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Answer] = loop.create_future()

    def settle(answer: Answer | None, error: Exception | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(answer)  # type: ignore[arg-type]

    def work() -> None:
        answer, failure = None, None
        try:
            answer = look()
        except Exception as error:
            failure = error
        with contextlib.suppress(RuntimeError):  # the loop has been closed meanwhile
            loop.call_soon_threadsafe(settle, answer, failure)

    threading.Thread(target=work, daemon=True).start()
    return await future
