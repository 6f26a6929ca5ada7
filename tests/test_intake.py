"""The source side of the wiring, with a source that obeys and a spool on disk."""

import asyncio
import logging
from collections.abc import Sequence

import pytest

from collector.backoff import Backoff
from collector.contracts import Intake
from collector.errors import FrameError, SourceError
from collector.intake import SourceIntake
from collector.reading import Decoded, Frame
from tests.spool.rig import Rig, values


class Scripted:
    """Raises what it is told to, one error an attempt, then stays connected."""

    window = 4

    def __init__(self, *errors: str) -> None:
        self.errors = list(errors)
        self.acknowledged: list[int] = []
        self.attempts = 0

    async def run(self, intake: Intake) -> None:
        self.attempts += 1
        if self.errors:
            raise SourceError(self.errors.pop(0))
        intake.session(False)
        intake.connected()
        await asyncio.Event().wait()

    def acknowledge(self, tokens: Sequence[int]) -> None:
        self.acknowledged += tokens

    def pause(self, paused: bool) -> None: ...


class Numbers:
    """A payload is one number; anything else is refused."""

    def decode(self, payload: bytes, topic: str | None = None) -> list[Decoded]:
        try:
            return [Decoded(None, {"n": int(payload)})]
        except ValueError:
            raise FrameError("json", "not a number") from None


def wire(rig: Rig, source: Scripted, *, spool: bool = True) -> SourceIntake:
    made = SourceIntake(
        "meter",
        source,
        Numbers(),
        lambda carried, topic: carried or topic or "meter",
        rig.spool if spool else None,
        rig.clock,
        Backoff(0.001, 0.002, now=rig.clock.monotonic),
    )
    rig._safe = made.safe  # type: ignore[method-assign]
    rig.spool.tail._on_safe = made.safe
    return made


def frame(n: int, *, again: bool = False, payload: bytes | None = None) -> Frame:
    return Frame(payload if payload is not None else b"%d" % n, "meter/1", n, again)


async def test_acknowledged_only_once_delivered(rig: Rig) -> None:
    source = Scripted()
    intake = wire(rig, source)
    intake.frames([frame(1), frame(2)])
    assert (source.acknowledged, intake.unacknowledged) == ([], 2)
    await rig.deliver()
    assert (source.acknowledged, intake.unacknowledged) == ([1, 2], 0)


async def test_acknowledged_once_committed(rig: Rig) -> None:
    source = Scripted()
    wire(rig, source).frames([frame(1)])
    await rig.spool.commit()
    assert source.acknowledged == [1]


async def test_refused_frames_are_acknowledged_in_turn(rig: Rig) -> None:
    source = Scripted()
    intake = wire(rig, source)
    intake.frames([frame(1, payload=b"junk")])
    assert source.acknowledged == [1]
    intake.frames([frame(2)])
    intake.frames([frame(3, payload=b"junk")])
    intake.refused("too large", 1, "10 MB", [4])
    assert source.acknowledged == [1]
    await rig.deliver()
    assert source.acknowledged == [1, 2, 3, 4]
    assert intake.invalid == {"json": 2, "too large": 1}


class Telemetry(Numbers):
    """Messages on a topic `status` are no readings."""

    def decode(self, payload: bytes, topic: str | None = None) -> list[Decoded]:
        return [] if topic == "status" else super().decode(payload, topic)


async def test_what_is_no_reading_is_acknowledged_in_turn_and_counted_apart(rig: Rig) -> None:
    source = Scripted()
    intake = wire(rig, source)
    intake._decode = Telemetry().decode
    intake.frames([Frame(b"online", "status", 1)])
    assert source.acknowledged == [1]
    intake.frames([Frame(b"online", "status", 2), frame(3), Frame(b"offline", "status", 4)])
    intake.frames([Frame(b"online", "status", 5)])
    assert source.acknowledged == [1], "in order of arrival"
    [segment] = await rig.deliver()
    assert values(segment) == [3]
    assert source.acknowledged == [1, 2, 3, 4, 5]
    assert (intake.ignored, intake.invalid, intake.unacknowledged) == (4, {}, 0)


async def test_what_comes_again_is_no_new_reading(rig: Rig) -> None:
    source = Scripted()
    intake = wire(rig, source)
    intake.frames([frame(1), frame(2)])
    intake._lost("gone", 0.0)
    intake.session(True)
    intake.frames([frame(1, again=True), frame(2, again=True), frame(3)])
    segments = await rig.deliver()
    assert [value for segment in segments for value in values(segment)] == [1, 2, 3]
    assert source.acknowledged == [1, 2, 3]


async def test_what_comes_again_and_is_safe_is_acknowledged_at_once(rig: Rig) -> None:
    source = Scripted()
    intake = wire(rig, source)
    intake.frames([frame(1)])
    await rig.deliver()
    intake.session(True)
    intake.frames([frame(1, again=True)])
    assert source.acknowledged == [1, 1]
    assert rig.spool.tail.state.sinks["cloud"].received == 1


async def test_the_same_token_with_other_bytes_is_new(rig: Rig) -> None:
    intake = wire(rig, Scripted())
    intake.frames([frame(1)])
    intake.session(True)
    intake.frames([frame(1, again=True, payload=b"77")])
    await rig.spool.commit()
    assert rig.spool.tail.state.sinks["cloud"].received == 2


async def test_once_the_far_end_knows_of_the_acknowledgement_the_same_token_and_bytes_are_new(rig: Rig) -> None:
    intake = wire(rig, Scripted())
    intake.frames([frame(1)])
    await rig.deliver()
    assert intake.asking()
    intake.answered()
    assert rig.spool.tail.state.sent == {"meter": []}
    await rig.crash()
    await rig.open()
    intake = wire(rig, Scripted())
    intake.session(True)
    intake.frames([frame(1, again=True)])
    assert [values(segment) for segment in await rig.deliver()] == [[1]]
    assert rig.spool.tail.state.sinks["cloud"].received == 2


async def test_what_is_acknowledged_after_the_question_is_not_in_the_answer(rig: Rig) -> None:
    intake = wire(rig, Scripted())
    intake.frames([frame(1)])
    await rig.deliver()
    assert intake.asking()
    intake.frames([frame(2)])
    await rig.deliver()
    intake.answered()
    intake.answered()
    assert [list(sent.fingerprints) for sent in rig.spool.tail.state.sent["meter"]] == [[2]]


async def test_without_anything_acknowledged_nothing_is_asked(rig: Rig) -> None:
    intake = wire(rig, Scripted())
    assert not intake.asking()
    intake.frames([frame(1)])
    rig.spool.flush()
    assert not intake.asking()
    await rig.deliver()
    assert intake.asking()
    intake.answered()
    assert not intake.asking()


async def test_a_repetition_under_way_makes_the_question_void(rig: Rig) -> None:
    """What was acknowledged on an earlier connection may all come again until repetitions have ended."""
    source = Scripted()
    intake = wire(rig, source)
    intake.frames([frame(1), frame(2)])
    await rig.deliver()
    intake.session(True)
    assert intake.asking()
    intake.frames([frame(1, again=True)])
    intake.answered()
    intake.frames([frame(2, again=True)])
    assert rig.spool.tail.state.sinks["cloud"].received == 2
    assert intake.asking()
    intake.answered()
    assert rig.spool.tail.state.sent == {"meter": []}


async def test_nothing_is_asked_while_a_repetition_is_not_acknowledged(rig: Rig) -> None:
    intake = wire(rig, Scripted())
    intake.frames([frame(1)])
    await rig.deliver()
    intake.frames([frame(2)])
    rig.spool.flush()
    intake.session(True)
    intake.frames([frame(2, again=True)])
    assert not intake.asking()
    await rig.deliver()
    assert intake.asking()


async def test_a_question_dies_with_its_connection(rig: Rig) -> None:
    intake = wire(rig, Scripted())
    intake.frames([frame(1)])
    await rig.deliver()
    assert intake.asking()
    intake.session(True)
    intake.answered()
    assert [list(sent.fingerprints) for sent in rig.spool.tail.state.sent["meter"]] == [[1]]


async def test_without_a_session_nothing_is_a_repetition(rig: Rig) -> None:
    intake = wire(rig, Scripted())
    intake.frames([frame(1)])
    rig.spool.flush()
    intake.session(False)
    assert rig.spool.tail.sent("meter", 1, 0) is None
    assert rig.spool.tail.state.sent == {}


async def test_tokens_of_a_lost_connection_are_never_acknowledged(rig: Rig) -> None:
    source = Scripted()
    intake = wire(rig, source)
    intake.frames([frame(1)])
    intake._lost("gone", 0.0)
    await rig.deliver()
    assert source.acknowledged == []


async def test_three_quarters_of_the_window_press_the_spool(rig: Rig) -> None:
    intake = wire(rig, Scripted())
    intake.frames([frame(1), frame(2)])
    assert not rig.spool._pressed
    intake.frames([frame(3)])
    assert rig.spool._pressed
    await rig.deliver()
    assert not rig.spool._pressed


async def test_without_a_sink_everything_is_acknowledged_and_forgotten(rig: Rig) -> None:
    source = Scripted()
    intake = wire(rig, source, spool=False)
    intake.frames([frame(1)])
    assert (source.acknowledged, intake.readings_seen) == ([1], 1)
    assert intake.latest is not None
    assert intake.latest.fields == {"n": 1}


async def test_one_line_for_each_change_of_state(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    source = Scripted("no such port", "no such port", "no such port", "busy")
    intake = wire(rig, source)
    with caplog.at_level(logging.INFO, "edge_collector"):
        running = asyncio.create_task(intake.run())
        async with asyncio.timeout(5):
            while intake.state != "connected":  # noqa: ASYNC110
                await asyncio.sleep(0.001)
        running.cancel()
    said = [record.getMessage().split(";")[0] for record in caplog.records]
    assert said == ["source meter: no such port", "source meter: busy", "source meter: connected"]
    assert source.attempts == 5


async def test_a_flood_of_junk_is_one_line_a_minute(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    intake = wire(rig, Scripted())
    for n in range(1, 1000):
        intake.frames([frame(n, payload=b"junk")])
    assert len(caplog.records) == 1
    rig.clock.now += 61
    intake.frames([frame(1, payload=b"junk")])
    assert len(caplog.records) == 2
    assert intake.invalid["json"] == 1000


async def test_a_fault_in_decoding_blocks_nothing(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    source = Scripted()
    intake = wire(rig, source)

    def decode(payload: bytes, topic: str | None = None) -> list[Decoded]:
        raise ZeroDivisionError("a bug")

    intake._decode = decode
    intake.frames([frame(1)])
    assert source.acknowledged == [1]
    assert intake.invalid == {"internal": 1}
    assert "please report it" in caplog.text
