"""The process: signals, the pipeline, the status server, and how it ends."""

import asyncio
import contextlib
import gc
import signal

from collector.backoff import Backoff
from collector.clock import SystemClock
from collector.config.load import Loaded
from collector.config.secrets import read_secret
from collector.errors import CollectorError, DiskUnavailable, SpoolDamaged, SpoolRefused
from collector.log import events
from collector.pipeline import Pipeline

STATUS_AGAIN = 10.0
"""Seconds between attempts to open the status address; collecting does not wait for it."""


async def run(loaded: Loaded) -> int:
    """Works until SIGTERM or SIGINT; returns the exit code.

    1: the spool can no longer keep its promise; 2: its directory is not one to work in.
    """
    daemon = Daemon(loaded)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, daemon.stop.set)
    status = asyncio.create_task(daemon.serve_status())
    try:
        return await daemon.work()
    finally:
        status.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await status


class Daemon:
    """One pipeline after another: mostly one, a new one when the disk must be looked at afresh."""

    def __init__(self, loaded: Loaded) -> None:
        self.stop = asyncio.Event()
        self._loaded = loaded
        self._clock = SystemClock()
        self._pipeline = Pipeline(loaded, self._clock)

    async def work(self) -> int:
        """Runs pipelines until told to stop, or until one ends in a way that a new one cannot mend."""
        backoff = Backoff(1.0, 60.0, now=self._clock.monotonic)
        complained = ""
        while True:
            try:
                await self._pipeline.start()
                gc.collect()
                gc.freeze()
                events.DAEMON_STARTED.log("collecting as %s", self._loaded.configuration.collector.id)
                backoff.succeeded()
                complained = ""
                return await self._until_stopped()
            except SpoolDamaged as error:
                trouble = f"{error}; starting afresh"
            except DiskUnavailable as error:
                trouble = str(error)
                if self.stop.is_set():
                    events.DAEMON_FAILED.log("%s; what is in memory stays in the tail journal alone", trouble)
                    return 1
            except SpoolRefused as error:
                events.DAEMON_FAILED.log("%s", error)
                return 2
            except CollectorError as error:
                events.DAEMON_FAILED.log("%s", error)
                return 1
            delay = backoff.failed()
            if trouble != complained:
                complained = trouble
                events.DISK_UNAVAILABLE.log("%s; collecting waits, next try in %.1f s", trouble, delay)
            self._pipeline = Pipeline(self._loaded, self._clock, trouble)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(delay):
                    await self.stop.wait()
                    return 0

    async def serve_status(self) -> None:
        section = self._loaded.configuration.status
        if section.listen is None:
            return
        from collector.status.app import StatusApp
        from collector.status.server import serve

        complained = ""
        while True:
            try:
                token = read_secret(section.token_file, base=self._loaded.folder) if section.token_file else None
                await serve(section.listen, StatusApp(lambda: self._pipeline.report(), token))
            except CollectorError as error:
                if str(error) != complained:
                    complained = str(error)
                    events.STATUS_UNAVAILABLE.log(
                        "%s; collecting goes on without it, trying again every %d s", error, STATUS_AGAIN
                    )
            await asyncio.sleep(STATUS_AGAIN)

    async def _until_stopped(self) -> int:
        """Returns 0 when told to stop; raises what ended the pipeline, or kept it from committing everything."""
        working = asyncio.create_task(self._pipeline.run())
        stopping = asyncio.create_task(self.stop.wait())
        try:
            await asyncio.wait([working, stopping], return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                working.result()
        finally:
            stopping.cancel()
            if not working.done():
                events.DAEMON_STOPPING.log("stopping")
            try:
                await self._pipeline.stop()
            finally:
                working.cancel()
        return 0
