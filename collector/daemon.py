"""The process: signals, the pipeline, the status server, and how it ends."""

import asyncio
import contextlib
import gc
import signal

from collector.clock import SystemClock
from collector.config.load import Loaded
from collector.config.secrets import read_secret
from collector.errors import CollectorError
from collector.log import events
from collector.pipeline import Pipeline

STATUS_AGAIN = 10.0
"""Seconds between attempts to open the status address; collecting does not wait for it."""


async def run(loaded: Loaded) -> int:
    """Works until SIGTERM or SIGINT; returns the exit code. 1: the spool can no longer keep its promise."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    pipeline = Pipeline(loaded, SystemClock())
    try:
        await pipeline.start()
    except CollectorError as error:
        events.DAEMON_FAILED.log("%s", error)
        return 1
    status = asyncio.create_task(_serve_status(loaded, pipeline))
    gc.collect()
    gc.freeze()
    events.DAEMON_STARTED.log("collecting as %s", loaded.configuration.collector.id)
    try:
        return await _until_stopped(pipeline, stop)
    finally:
        status.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await status


async def _until_stopped(pipeline: Pipeline, stop: asyncio.Event) -> int:
    working = asyncio.create_task(pipeline.run())
    stopping = asyncio.create_task(stop.wait())
    code = 0
    try:
        await asyncio.wait([working, stopping], return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            working.result()
    except CollectorError as error:
        events.DAEMON_FAILED.log("%s", error)
        code = 1
    finally:
        stopping.cancel()
        if not working.done():
            events.DAEMON_STOPPING.log("stopping")
        try:
            await pipeline.stop()
        except CollectorError as error:
            events.DAEMON_FAILED.log("%s", error)
            code = 1
        working.cancel()
    return code


async def _serve_status(loaded: Loaded, pipeline: Pipeline) -> None:
    section = loaded.configuration.status
    if section.listen is None:
        return
    from collector.status.app import StatusApp
    from collector.status.server import serve

    complained = ""
    while True:
        try:
            token = read_secret(section.token_file, base=loaded.folder) if section.token_file else None
            await serve(section.listen, StatusApp(pipeline.report, token))
        except CollectorError as error:
            if str(error) != complained:
                complained = str(error)
                events.STATUS_UNAVAILABLE.log(
                    "%s; collecting goes on without it, trying again every %d s", error, STATUS_AGAIN
                )
        await asyncio.sleep(STATUS_AGAIN)
