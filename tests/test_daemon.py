"""The process as its signals have it, without any."""

import asyncio
from pathlib import Path

from collector.check import load_checked
from collector.daemon import Daemon
from collector.sandbox.wall import Wall


async def test_told_to_end_it_ends_for_good_whatever_reload_came_before_or_comes_after(tmp_path: Path) -> None:
    configuration = tmp_path / "collector.toml"
    configuration.write_text('sources.host = { type = "host" }\n')
    daemon = Daemon(load_checked(configuration), Wall("off"))
    async with asyncio.timeout(20):
        reload = asyncio.create_task(daemon.reload())
        daemon.hangup.set()
        await daemon.stop.wait()
        daemon.end()
        daemon.hangup.set()
        await reload
        assert await daemon.work() == 0
