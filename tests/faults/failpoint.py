"""Runs the collector unchanged, but with an end at one place: `python -m tests.faults.failpoint PLACE COMMAND...`.

PLACE is `(before|after) MODULE:QUALNAME HIT`: SIGKILL at the HIT-th call of that function. A coroutine's
call is over when it returns; one that raises has not been called. With `... HIT SECONDS` the thread sleeps instead.
"""

import functools
import importlib
import inspect
import os
import signal
import sys
import time
from typing import Any


def arm(place: str) -> None:
    """Puts the end there. The function must be looked up at each call: a method, or a module's attribute."""
    when, target, hit, *sleep = place.split()
    module, _, name = target.partition(":")
    holder: Any = importlib.import_module(module)
    *path, last = name.split(".")
    for part in path:
        holder = getattr(holder, part)
    function = getattr(holder, last)
    left = int(hit)

    def reach(now: str) -> None:
        nonlocal left
        if now == when:
            left -= 1
            if left == 0 and sleep:
                time.sleep(float(sleep[0]))
            elif left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    @functools.wraps(function)
    def plain(*arguments: Any, **named: Any) -> Any:
        reach("before")
        result = function(*arguments, **named)
        reach("after")
        return result

    @functools.wraps(function)
    async def waiting(*arguments: Any, **named: Any) -> Any:
        reach("before")
        result = await function(*arguments, **named)
        reach("after")
        return result

    setattr(holder, last, waiting if inspect.iscoroutinefunction(function) else plain)


if __name__ == "__main__":
    arm(sys.argv.pop(1))
    from collector.cli import main

    sys.exit(main())
