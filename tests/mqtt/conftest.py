"""The session runs under uvloop in the daemon and must run under plain asyncio too."""

import asyncio
from collections.abc import Callable, Mapping

import pytest
import uvloop


# Versions of pytest-asyncio that do not know the hook run each test once, under plain asyncio.
@pytest.hookimpl(optionalhook=True)
def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
