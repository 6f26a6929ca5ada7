"""The process: signals, the pipeline, the status server, and how it ends."""

import asyncio
import contextlib
import gc
import os
import signal
import sys
from functools import partial

from collector.backoff import Backoff
from collector.check import load_checked
from collector.clock import SystemClock
from collector.config.load import Loaded
from collector.config.secrets import read_secret
from collector.errors import CollectorError, ConfigurationError, DiskUnavailable, SpoolDamaged, SpoolRefused
from collector.lifecycle import Lifecycle
from collector.log import events
from collector.pipeline import Pipeline
from collector.sandbox.wall import Wall
from collector.service.notify import Notifier
from collector.spool.lock import InUse

RELOAD = 75
"""Exit code (EX_TEMPFAIL) that asks whoever started us to do so again, with the new configuration."""

STATUS_AGAIN = 10.0
"""Seconds between attempts to open the status address; collecting does not wait for it."""


async def run(loaded: Loaded, wall: Wall) -> int:
    """Works until SIGTERM, SIGINT or a SIGHUP that finds a right configuration; returns the exit code.

    1: the spool can no longer keep its promise, or another process has it; 2: its directory is not one to work in;
    75: start again.
    """
    daemon = Daemon(loaded, wall)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, daemon.end)
    # Ignored is what nohup(1) asks for; a service manager may have inherited that, and means it when it sends one.
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN or daemon.lifecycle.managed:
        # A terminal that is closed sends it too, and then nobody starts us again.
        of_terminal = sys.stderr is not None and sys.stderr.isatty()
        loop.add_signal_handler(signal.SIGHUP, daemon.end if of_terminal else daemon.hangup.set)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})  # `run` has held back those that came before
    beside = [asyncio.create_task(task) for task in (daemon.serve_status(), daemon.lifecycle.run(), daemon.reload())]
    try:
        return await daemon.work()
    finally:
        for task in beside:
            task.cancel()
        await asyncio.wait(beside)


class Daemon:
    """One pipeline after another: mostly one, a new one when the disk must be looked at afresh."""

    def __init__(self, loaded: Loaded, wall: Wall) -> None:
        self.stop = asyncio.Event()
        self.hangup = asyncio.Event()
        self._loaded = loaded
        self._wall = wall
        self._clock = SystemClock()
        self._pipeline = Pipeline(loaded, self._clock, wall)
        self.lifecycle = Lifecycle(Notifier.of(os.environ), self._clock, lambda: self._pipeline)
        self._alone = asyncio.Event()
        """Set once nobody else has the data directory, or nobody can tell yet."""
        self._stopped = 0
        """Exit code once told to stop."""

    def end(self) -> None:
        """For good, also where a reload was about to have us started again."""
        self._stopped = 0
        self.stop.set()

    async def reload(self) -> None:
        """Whenever told to, looks at the configuration: a right one ends the process, for the sandbox only narrows."""
        while True:
            await self.hangup.wait()
            self.hangup.clear()
            if self.stop.is_set():  # whoever is ending reads no configuration any more
                return
            self.lifecycle.reloading()
            try:
                await asyncio.to_thread(load_checked, self._loaded.path)
            except ConfigurationError as error:
                events.DAEMON_NOT_RELOADED.log("not reloaded, going on as before: %s", _in_one_line(error))
                self.lifecycle.reloaded("the configuration on disk is wrong and not in force")
                continue
            except Exception:
                events.INTERNAL_ERROR.log("not reloaded: internal error; restart instead, and report it", exc_info=True)
                self.lifecycle.reloaded("not reloaded, for an internal error")
                continue
            if self.stop.is_set():
                return
            events.DAEMON_RELOADING.log("reloading: to be started again with the new configuration")
            self.lifecycle.reloaded()
            self._stopped = RELOAD
            self.stop.set()

    async def work(self) -> int:
        """Runs pipelines until told to stop, or until one ends in a way that a new one cannot mend."""
        backoff = Backoff(1.0, 60.0, now=self._clock.monotonic)
        complained = ""
        while True:
            try:
                await self._pipeline.start()
                self._alone.set()
                gc.collect()
                gc.freeze()
                events.DAEMON_STARTED.log("collecting as %s", self._loaded.configuration.collector.id)
                backoff.succeeded()
                if complained:
                    events.DISK_AVAILABLE.log("the spool is open: collecting goes on")
                complained = ""
                return await self._until_stopped()
            except SpoolDamaged as error:
                trouble = f"{error}; starting afresh"
            except DiskUnavailable as error:
                trouble = str(error)
                if self.stop.is_set():
                    return self._failed(f"{trouble}; what is in memory stays in the tail journal alone", 1)
            except InUse as error:
                # Not 2, after which no service manager starts us again: a command of `spool` ends by itself.
                return self._failed(str(error), 1)
            except SpoolRefused as error:
                return self._failed(str(error), 2)
            except CollectorError as error:
                return self._failed(str(error), 1)
            self._alone.set()
            delay = backoff.failed()
            if trouble != complained:
                complained = trouble
                events.DISK_UNAVAILABLE.log("%s; collecting waits, next try in %.1f s", trouble, delay)
            self._pipeline = Pipeline(self._loaded, self._clock, self._wall, trouble)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(delay):
                    await self.stop.wait()
                    return self._stopped

    async def serve_status(self) -> None:
        section = self._loaded.configuration.status
        if section.listen is None:
            return
        from collector.status.app import StatusApp
        from collector.status.server import serve

        complained = ""
        while True:
            try:
                token = (
                    partial(read_secret, section.token_file, base=self._loaded.folder) if section.token_file else None
                )
                if token is not None:
                    token()
                await serve(section.listen, StatusApp(lambda: self._pipeline.report(), token))
            except CollectorError as error:
                # Another daemon on the same spool has the same address, and says more about why we end.
                await self._alone.wait()
                if str(error) != complained:
                    complained = str(error)
                    events.STATUS_UNAVAILABLE.log(
                        "%s; collecting goes on without it, trying again every %d s", error, STATUS_AGAIN
                    )
            await asyncio.sleep(STATUS_AGAIN)

    async def _until_stopped(self) -> int:
        """The exit code when told to stop; raises what ended the pipeline, or kept it from committing everything."""
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
                self.lifecycle.ending()
            try:
                await self._pipeline.stop()
            finally:
                working.cancel()
        return self._stopped

    def _failed(self, line: str, code: int) -> int:
        events.DAEMON_FAILED.log("%s", line)
        self.lifecycle.failed(line)
        return code


def _in_one_line(error: ConfigurationError) -> str:
    first, *others = error.mistakes
    if "may not be read" in first:
        # Ours alone, perhaps: what the new configuration names elsewhere lies outside the sandbox of the old one.
        first += "; if it can, restart instead of reloading"
    return f"{first}; {len(others)} more, see: edge-collector check" if others else first
