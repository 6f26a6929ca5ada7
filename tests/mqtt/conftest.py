"""The session runs under uvloop in the daemon and must run under plain asyncio too; one authority signs for all."""

import asyncio
import shutil
from collections.abc import Callable, Mapping

import pytest
import uvloop

from tests.mqtt.certificates import Authority


# Versions of pytest-asyncio that do not know the hook run each test once, under plain asyncio.
@pytest.hookimpl(optionalhook=True)
def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    return Authority(tmp_path_factory.mktemp("tls") / "authority")
