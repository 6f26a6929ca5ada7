"""The verbs of `spool`, on an open spool: the daemon's own, or one that the command line has opened."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import msgspec

from collector.control import stats
from collector.control.protocol import Dead, Done, Export, Forget, Letter, Request, Requeue, Stats
from collector.errors import CollectorError, DiskUnavailable
from collector.reading import rfc3339
from collector.segment import Part, Segment
from collector.sinks import wire
from collector.spool import departed, letters
from collector.spool.progress import union
from collector.spool.records import DeadLetter
from collector.spool.spool import Spool

Write = Callable[[bytes], Awaitable[None]]
"""Takes whole lines; returns when there is room for more."""

_ROWS = 4
"""Segments in memory at a time."""


async def answer(request: Request, spool: Spool, collector: str, write: Write, *, running: bool) -> Done:
    """Does what is asked. Raises CollectorError where it cannot be done, SpoolError where the disk is at fault."""
    sink = None if isinstance(request, Stats) else request.sink
    if sink is not None and sink not in spool.tail.state.sinks:
        raise CollectorError(f"no sink {sink}; the spool knows {', '.join(spool.tail.state.sinks) or 'none'}")
    match request:
        case Stats():
            return Done(msgspec.to_builtins(await stats.report(spool, collector, running=running)))
        case Export(dead=False):
            return await _export(spool, collector, sink, write)
        case Export() | Dead():
            return await _letters(spool, collector, request, write)
        case Requeue():
            return await _requeue(spool, request)
        case Forget():
            return await _forget(spool, request.sink)


async def _export(spool: Spool, collector: str, sink: str | None, write: Write) -> Done:
    """What is stored or in memory now, in order; what is delivered or dropped meanwhile may be left out."""
    spool.flush()
    sinks = spool.tail.state.sinks
    last = min((progress.low for name, progress in sinks.items() if sink in (None, name)), default=0)
    through = spool.tail.last
    count = damaged = 0
    while last < through:
        # Looked at first: what a commit moves meanwhile is then found in one of the two.
        held = {id: segment for id, segment in spool.tail.segments.items() if last < id <= through}
        rows = [row for row in await spool.database.read(last, _ROWS) if row.id <= through]
        found: dict[int, Segment | None] = {} if len(rows) == _ROWS else {**held}
        found.update((row.id, row.segment) for row in rows)
        last = rows[-1].id if len(rows) == _ROWS else through
        for _, segment in sorted(found.items()):
            if segment is None:
                damaged += 1
                continue
            lines = _lines(spool, collector, sink, spool.tail.state.dated(segment))
            count += len(lines)
            await write(b"".join(lines))
    return Done({"readings": count, "damaged_segments": damaged})


def _lines(spool: Spool, collector: str, sink: str | None, segment: Segment) -> list[bytes]:
    sinks = spool.tail.state.sinks
    asked = sinks.values() if sink is None else [sinks[sink]]
    wanted = union([span for progress in asked for span in progress.missing(segment.id, segment.count)])
    return [line for start, end in wanted for line in _told(collector, Part(segment, start, end))]


def _told(collector: str, part: Part) -> list[bytes]:
    return [wire.single(collector, part.segment.epoch, reading) + b"\n" for reading in wire.readings(part)]


async def _letters(spool: Spool, collector: str, request: Export | Dead, write: Write) -> Done:
    count = damaged = 0
    async for letter in _all_letters(spool, request.sink):
        segment = letters.readable(letter)
        damaged += segment is None
        if isinstance(request, Dead):
            await write(_shown(collector, letter, segment))
        elif segment is not None:
            await write(b"".join(_told(collector, Part(segment, 0, 1))))
        count += 1
    return Done({"letters": count, "damaged": damaged})


async def _all_letters(spool: Spool, sink: str | None) -> AsyncIterator[DeadLetter]:
    """Those in the database, then those that it has no room for."""
    with contextlib.suppress(DiskUnavailable):
        await spool.commit()
    state, database = spool.tail.state, spool.database
    through = await database.last_letter()
    row: int | None = 0
    while row is not None and row < through:
        found = await letters.page(state, database, row, sink)
        row = found.last
        for letter in found.letters:
            yield letter
    for letter in list(state.dead):
        if sink in (None, letter.sink):
            yield letter


def _shown(collector: str, letter: DeadLetter, segment: Segment | None) -> bytes:
    shown = Letter(f"{collector}/{letter.epoch}/{letter.seq}", letter.sink, letter.reason)
    if segment is not None:
        [reading] = segment.readings()
        shown.device, shown.time = reading.device, rfc3339(reading.time_ns)
    return msgspec.json.encode(shown) + b"\n"


async def _requeue(spool: Spool, request: Requeue) -> Done:
    state = spool.tail.state
    if request.sink is not None and not state.configured(request.sink):
        raise CollectorError(f"sink {request.sink} is not configured any more: put it back, restart, and requeue then")
    await spool.commit()
    if request.ids is None:
        requeued = await letters.requeue(spool, lambda letter: request.sink in (None, letter.sink))
        return Done({"requeued": requeued, "departed": sum(state.sinks[name].dead for name in _departed(spool))})
    chosen = {key: text for text in request.ids for key in await _find(spool, text, request.sink)}
    return Done({"requeued": await letters.requeue(spool, lambda letter: letter.key in chosen), "departed": 0})


async def _find(spool: Spool, text: str, sink: str | None) -> list[tuple[str, str, int]]:
    """The letters of that identity. Raises CollectorError where no configured sink has one."""
    parts = text.split("/")
    if len(parts) < 2 or not (parts[-1].isascii() and parts[-1].isdigit()) or len(parts[-1]) > 18:
        raise CollectorError(f"{text}: not the id of a reading; it is collector/epoch/seq, as `spool dead` shows it")
    names = [name for name in spool.tail.state.sinks if sink in (None, name) and spool.tail.state.configured(name)]
    keys = [(name, parts[-2], int(parts[-1])) for name in names]
    found = [key for key in keys if await spool.database.letter(key) is not None]
    if not found:
        of = f" of sink {sink}" if sink is not None else ""
        raise CollectorError(f"{text}: no dead letter{of}, nothing was requeued; edge-collector spool dead shows them")
    return found


async def _forget(spool: Spool, sink: str) -> Done:
    if spool.tail.state.configured(sink):
        raise CollectorError(
            f"sink {sink} is configured: remove it from the configuration and restart the collector, then forget it"
        )
    return Done({"dropped": await departed.drop(spool, sink)})


def _departed(spool: Spool) -> list[str]:
    return [name for name, sink in spool.tail.state.sinks.items() if sink.left is not None]
