"""A recording played again: the same bytes, frames and pauses."""

import asyncio
from pathlib import Path

import pytest

from collector.capture import Recorder
from collector.errors import SourceError
from collector.profiles import builtin_folder, load
from collector.sources.replay import ReplaySource
from tests.sources.intake import RecordingIntake, until

FRAME = bytes.fromhex("aac0d4043a0aa1601dab")
SDS011 = load("nova-sds011", [builtin_folder()])


def recorded(folder: Path, *came: tuple[float, bytes], topic: str | None = None) -> Path:
    made = Recorder(folder, "air", "nova-sds011", topic is not None, 0.0)
    for at, data in came:
        assert made.record(data, topic, at)
    return made.path


async def played(source: ReplaySource, intake: RecordingIntake, frames: int) -> float:
    """Seconds that it took."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    playing = asyncio.create_task(source.run(intake))
    await until(lambda: len(intake.payloads) >= frames)
    took = loop.time() - began
    await asyncio.sleep(0.02)
    assert not playing.done(), "it stays open at its end"
    playing.cancel()
    return took


async def test_a_line_byte_for_byte(tmp_path: Path) -> None:
    path = recorded(tmp_path, (0.0, b"noise" + FRAME[:3]), (0.1, FRAME[3:] + FRAME), (0.3, FRAME[:5]))
    intake = RecordingIntake()
    took = await played(ReplaySource(path, SDS011.framer, 1.0), intake, 2)
    await until(lambda: intake.connections == 1)
    assert intake.payloads == [FRAME, FRAME]
    assert intake.bytes.startswith(b"noise" + FRAME + FRAME)
    assert took >= 0.1
    assert intake.refusals == {"garbage": 1}


@pytest.mark.parametrize(("speed", "at_least", "at_most"), [(10.0, 0.1, 0.9), (0.0, 0.0, 0.9)])
async def test_faster(tmp_path: Path, speed: float, at_least: float, at_most: float) -> None:
    path = recorded(tmp_path, (0.0, FRAME), (1.0, FRAME))
    took = await played(ReplaySource(path, SDS011.framer, speed), RecordingIntake(), 2)
    assert at_least <= took < at_most


async def test_messages_keep_their_topics(tmp_path: Path) -> None:
    path = recorded(tmp_path, (0.0, b'{"a":1}'), (0.0, b"\xff"), topic="a/b")
    intake = RecordingIntake()
    await played(ReplaySource(path, None, 1.0), intake, 2)
    assert intake.payloads == [b'{"a":1}', b"\xff"]


async def test_paused_it_waits(tmp_path: Path) -> None:
    source = ReplaySource(recorded(tmp_path, (0.0, FRAME), (0.0, FRAME)), SDS011.framer, 0.0)
    source.pause(True)
    playing = asyncio.create_task(source.run(intake := RecordingIntake()))
    await asyncio.sleep(0.05)
    assert intake.payloads == []
    source.pause(False)
    await until(lambda: len(intake.payloads) == 2)
    playing.cancel()


async def test_a_wrong_line_ends_it_and_is_counted(tmp_path: Path) -> None:
    path = recorded(tmp_path, (0.0, FRAME))
    path.write_bytes(path.read_bytes() + b"nonsense\n")
    intake = RecordingIntake()
    playing = asyncio.create_task(ReplaySource(path, SDS011.framer, 0.0).run(intake))
    await until(lambda: bool(intake.refusals))
    assert intake.payloads == [FRAME]
    assert intake.refusals == {"capture": 1}
    assert "line 3: " in intake.details[0] and intake.details[0].endswith("played up to there")
    playing.cancel()


async def test_a_file_that_is_gone(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no such file; correct the path"):
        await ReplaySource(tmp_path / "gone", SDS011.framer, 1.0).run(RecordingIntake())
