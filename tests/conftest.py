"""Fixtures that tests of several folders share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.brokers import Mosquitto, mosquitto_binary


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    """A running Mosquitto of this test's own."""
    if mosquitto_binary() is None:
        pytest.skip("mosquitto is not installed")
    with Mosquitto(tmp_path / "broker") as running:
        yield running
