"""The demo as the command line starts it: its directory, its view, and an end in good order whatever happens."""

import asyncio
import shutil
import signal
import sqlite3
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import aiomqtt

from collector.demo.devices import DustSensor
from collector.demo.moment import View
from collector.demo.plain import PlainView
from collector.demo.play import Play
from collector.demo.process import find_mosquitto
from collector.demo.stage import Stage, make_directory
from collector.errors import CollectorError

INTERRUPTED = 130
"""Exit code as shells give it after Ctrl-C."""

FAULTS = (CollectorError, aiomqtt.MqttError, sqlite3.Error, OSError)


def run(seconds: float, given: Path | None) -> int:
    """0 only if nothing is lost and nothing is twice. Raises ConfigurationError for a wrong directory."""
    mosquitto = find_mosquitto()
    if mosquitto is None:
        print("edge-collector demo needs the MQTT broker mosquitto: apt install mosquitto", file=sys.stderr)
        return 1
    directory = make_directory(given)
    code = 1
    try:
        code = asyncio.run(_run(seconds, directory, mosquitto))
    except (KeyboardInterrupt, asyncio.CancelledError):
        code = INTERRUPTED
    finally:
        if given is None and code != 1:
            shutil.rmtree(directory, ignore_errors=True)
        else:
            print(f"logs and databases are in {directory}")
    return code


async def _run(seconds: float, directory: Path, mosquitto: str) -> int:
    this = asyncio.current_task()
    assert this is not None
    # Ctrl-C cancels this task by itself; so must whatever else ends a process in good order.
    for number in (signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, this.cancel)
    trouble = ""
    try:
        async with AsyncExitStack() as endings:
            sensor = DustSensor()
            endings.callback(sensor.close)
            stage = Stage(directory, mosquitto, sensor.port)
            endings.push_async_callback(stage.close)
            view = _view()
            endings.callback(view.close)
            verdict = await Play(stage, sensor, seconds, view).run()
            view.conclude(verdict)
            return verdict.code
    except* BrokenPipeError:
        pass
    except* FAULTS as group:
        trouble = "; ".join(sorted({str(fault) or type(fault).__name__ for fault in _leaves(group)}))
    if not trouble:
        # Nobody reads what the demo says any more.
        return INTERRUPTED
    print(f"edge-collector demo: {trouble}", file=sys.stderr)
    return 1


def _view() -> View:
    if sys.stdout.isatty():
        from rich.console import Console

        from collector.demo.screen import ScreenView

        return ScreenView(Console(highlight=False))
    return PlainView()


def _leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    return [
        leaf
        for fault in group.exceptions
        for leaf in (_leaves(fault) if isinstance(fault, BaseExceptionGroup) else [fault])
    ]
