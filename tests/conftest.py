"""Fixtures that tests of several folders share."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.brokers import Mosquitto, mosquitto_binary
from tests.spool.rig import Rig


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    """A running Mosquitto of this test's own."""
    if mosquitto_binary() is None:
        pytest.skip("mosquitto is not installed")
    with Mosquitto(tmp_path / "broker") as running:
        yield running


@pytest.fixture
async def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Rig]:
    """An open spool with one sink, its tail journal in a directory of the test's own."""
    (runtime := tmp_path / "run").mkdir()
    monkeypatch.setattr("collector.spool.spool.journal_directory", lambda data_dir: (runtime, True))
    rig = Rig(tmp_path / "data")
    await rig.open()
    yield rig
    await rig.spool.close()
