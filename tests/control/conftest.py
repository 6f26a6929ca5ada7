"""A spool with a history, asked through the socket of a running daemon and as a stopped one."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from collector.config.load import Loaded, load
from collector.contracts import Outcome
from collector.control import client, server
from collector.control.protocol import Done, Request
from tests.spool.rig import Rig


class Asking:
    """`ask` is what the command line does, in a thread of its own."""

    def __init__(self, rig: Rig, folder: Path) -> None:
        self.rig = rig
        self.runtime = folder / "run"
        self.file = folder / "collector.toml"
        self.configure("cloud", "file")
        self._serving: asyncio.Task[None] | None = None

    @property
    def loaded(self) -> Loaded:
        return load(self.file)

    def configure(self, *sinks: str) -> None:
        lines = ['collector.id = "gh"', f'collector.data_dir = "{self.rig.directory}"']
        for sink in sinks:
            lines += [f'sinks.{sink}.type = "mqtt"', f'sinks.{sink}.url = "mqtt://localhost"']
        self.file.write_text("\n".join(lines))

    async def start(self) -> asyncio.Task[None]:
        self._serving = asyncio.create_task(server.serve(self.rig.spool, "gh"))
        for _ in range(1000):
            with contextlib.suppress(OSError):
                reader, writer = await asyncio.open_unix_connection(self.runtime / "control.sock")
                writer.write(b"\n")
                await reader.read()
                writer.close()
                break
            await asyncio.sleep(0.001)
        return self._serving

    async def stop(self) -> None:
        if self._serving is not None:
            self._serving.cancel()
            await asyncio.wait([self._serving])
            self._serving = None

    async def ask(self, request: Request) -> tuple[Done, list[bytes]]:
        blocks: list[bytes] = []
        done = await asyncio.to_thread(client.ask, self.loaded, request, blocks.append)
        return done, b"".join(blocks).splitlines()


@pytest.fixture
async def asking(rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Asking]:
    """Nobody serves yet. `cloud` refused 2 and 4 of ten readings and has 6 to 10 to come; `file` has everything."""
    monkeypatch.setattr("collector.control.client.places", lambda data_dir, uid: [tmp_path / "run"])
    rig.sinks = ("cloud", "file")
    await rig.spool.close()
    await rig.open()
    rig.append(range(1, 6))
    segment = await rig.spool.next("cloud")
    [part] = rig.spool.parts("cloud", segment)
    rig.spool.settle("cloud", part, Outcome(dead={1: "too hot", 3: "too\x1b[2J cold"}))
    await rig.spool.commit()
    rig.append(range(6, 11))
    rig.spool.flush()
    asking = Asking(rig, tmp_path)
    yield asking
    await asking.stop()


@pytest.fixture(params=["running", "stopped"])
async def either(asking: Asking, request: pytest.FixtureRequest) -> AsyncIterator[Asking]:
    """The same with a daemon, and without one."""
    if request.param == "running":
        await asking.start()
        yield asking
    else:
        await asking.rig.crash()
        yield asking
        with contextlib.suppress(OSError):
            await asking.rig.open()
