"""A capture once more: the same bytes, after the same pauses."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

from collector.capture import Piece, pieces
from collector.contracts import Intake
from collector.errors import SourceError
from collector.profiles.framing import Framer
from collector.reading import Frame
from collector.sources.serial import FrameStream

AT_ONCE = 500
"""Pieces of a replay without pauses, after which others get their turn."""


class ReplaySource:
    """Plays once. Nothing can be re-sent, so nothing is acknowledged; while paused it waits."""

    window = 0

    def __init__(self, path: Path, framer: Callable[[], Framer] | None, speed: float) -> None:
        """Without a framer each piece is a frame. `speed` 2 is twice as fast, 0 as fast as it goes."""
        self._path = path
        self._new_framer = framer
        self._speed = speed
        self._going = asyncio.Event()
        self._going.set()

    async def run(self, intake: Intake) -> None:
        """Raises SourceError for a file that is not there. At its end it stays open, and silent."""
        if not self._path.is_file():
            raise SourceError(f"{self._path}: no such file; correct the path")
        intake.connected()
        try:
            await self._play(intake)
        except (OSError, ValueError) as error:
            intake.refused("capture", 1, f"{self._path}: {error}; played up to there")
        await asyncio.Event().wait()

    def acknowledge(self, tokens: Sequence[int]) -> None:
        pass

    def pause(self, paused: bool) -> None:
        if paused:
            self._going.clear()
        else:
            self._going.set()

    async def _play(self, intake: Intake) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        stream = FrameStream(self._new_framer(), intake, str(self._path), 0) if self._new_framer is not None else None
        try:
            for number, piece in enumerate(pieces(self._path)):
                due = began + piece.t / self._speed if self._speed else 0.0
                if due > loop.time() or number % AT_ONCE == 0:
                    await asyncio.sleep(max(0.0, due - loop.time()))
                await self._going.wait()
                _hand_in(piece, stream, intake)
        finally:
            if stream is not None:
                stream.close()


def _hand_in(piece: Piece, stream: FrameStream | None, intake: Intake) -> None:
    if stream is not None:
        stream.feed(piece.data)
    else:
        intake.frames([Frame(piece.data, piece.topic)])
