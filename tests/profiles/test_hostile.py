"""Every profile against what no device sends: its own captures damaged, cut, repeated, and plain noise."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.errors import FrameError
from collector.profiles import Profile, available, builtin_folder, load
from collector.profiles.cases import cases
from collector.profiles.framing import Framer
from collector.profiles.framing.delimiter import DelimiterFraming
from tests.profiles.framing.streams import counts, split

FOLDERS = [builtin_folder()]
PROFILES = {id: load(id, FOLDERS) for id in available(FOLDERS)}
CASES = {id: list(cases(folder).values()) for id, folder in available(FOLDERS).items()}
STREAMS = [id for id, profile in PROFILES.items() if profile.cuts_a_stream]

# Bytes that begin or end something in one of the profiles.
MARKS = [b"\xaa\xc0", b"\xab", b"BM", b"\xff\x86", b"ZZ?\x0f", b"\r\n", b"\n", b"/", b"!", b"\x02", b"\x03", b"$", b"*"]
MARKS += [
    b"\r\nPID\t",
    b"\r\nChecksum\t",
    b":7F\n",
    b"\x1b" * 4,
    b"\x1b" * 4 + b"\x01" * 4,
    b"\x1b" * 4 + b"\x1a",
    b"{",
    b",",
]


def good(id: str) -> list[bytes]:
    """Captures of nothing but frames that are read, each with the end of its last line."""
    found = [
        one for one in CASES[id] if one.readings and not one.refused and not one.incomplete and not one.garbage_bytes
    ]
    captures = [b"".join(one.reads()) for one in found]
    lines = isinstance(PROFILES[id].declaration.framing, DelimiterFraming)
    return [one if not lines or one.endswith(b"\n") else one + b"\n" for one in captures]


def damaged(capture: bytes) -> st.SearchStrategy[bytes]:
    """A capture with a few bytes changed, taken away, or put in."""
    change = st.tuples(
        st.integers(0, max(0, len(capture))), st.integers(0, 12), st.sampled_from([b"", *MARKS]) | st.binary(max_size=8)
    )

    def apply(changes: list[tuple[int, int, bytes]]) -> bytes:
        data = capture
        for at, length, new in changes:
            data = data[:at] + new + data[at + length :]
        return data

    return st.lists(change, min_size=1, max_size=4).map(apply)


def hostile(id: str) -> st.SearchStrategy[bytes]:
    captures = [b"".join(one.reads()) for one in CASES[id]]
    noise = st.lists(st.sampled_from(MARKS) | st.binary(max_size=20), max_size=20).map(b"".join)
    return st.sampled_from(captures).flatmap(damaged) | noise


TOPICS = st.lists(st.sampled_from(["tele", "SENSOR", "zigbee2mqtt", "bridge", "status", "a", ""]), max_size=5).map(
    "/".join
)


@pytest.mark.parametrize("id", PROFILES)
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_whatever_comes_is_read_or_refused(id: str, data: st.DataObject) -> None:
    topic = data.draw(st.sampled_from([one.topic for one in CASES[id]]) | TOPICS)
    profile, payload = PROFILES[id], data.draw(hostile(id))
    framer = profile.framer()
    for frame in [payload, *framer.feed(payload), *framer.end()]:
        try:
            readings = profile.decode(frame, topic)
        except FrameError as error:
            assert error.reason
        else:
            assert all(reading.fields for reading in readings)


@pytest.mark.parametrize("id", STREAMS)
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_any_split_of_the_stream_gives_the_same(id: str, data: st.DataObject) -> None:
    stream = data.draw(hostile(id)) + data.draw(hostile(id))
    cuts = data.draw(st.lists(st.integers(0, 1 << 16), max_size=12))
    whole, pieces = PROFILES[id].framer(), PROFILES[id].framer()
    frames = whole.feed(stream) + whole.end()
    parts = [frame for piece in split(stream, cuts) for frame in pieces.feed(piece)] + pieces.end()
    assert parts == frames
    assert counts(pieces) == counts(whole)


@pytest.mark.parametrize("id", STREAMS)
def test_a_burst_of_garbage_costs_at_most_one_good_frame(id: str) -> None:
    chance = random.Random(id)
    captures = good(id)
    for _ in range(30):
        before, after = chance.choice(captures), chance.choice(captures)
        noise = b"".join(
            chance.choice([*MARKS, chance.randbytes(chance.randrange(1, 30))]) for _ in range(chance.randrange(1, 8))
        )
        expected = frames_of(PROFILES[id], before) + frames_of(PROFILES[id], after * 3)
        found = frames_of(PROFILES[id], before + noise + after * 3)
        kept = [frame for frame in found if frame in expected]
        assert len(kept) >= len(expected) - 1, (before, noise, after)


@pytest.mark.parametrize("id", {repr(PROFILES[id].declaration.framing): id for id in STREAMS}.values())
def test_what_is_held_is_bounded(id: str) -> None:
    captures = good(id)
    for endless in ENDLESS:
        framer = PROFILES[id].framer()
        for _ in range(4):
            framer.feed(endless * (65536 // len(endless)))
            assert held(framer) < 256 * 1024, endless
        framer.feed(b"\r\n")
        found = [frame for _ in range(3) for frame in framer.feed(captures[0])]
        assert found, f"no frame is found behind {endless!r}"


ENDLESS = [
    b"\0",
    b"\xff",
    b"/",
    b"\n/",
    b"(",
    b"\x1b",
    b"\x1b" * 4 + b"\x01" * 4,
    b"\xaa\xc0",
    b"$",
    b"7F",
    b"\r\nPID\t1",
    b"\r\n",
]


def frames_of(profile: Profile, stream: bytes) -> list[bytes]:
    """Those that give readings, or are of a kind to be ignored."""
    framer = profile.framer()
    return [frame for frame in framer.feed(stream) + framer.end() if _read(profile, frame)]


def _read(profile: Profile, frame: bytes) -> bool:
    try:
        profile.decode(frame)
    except FrameError:
        return False
    return True


def held(framer: Framer) -> int:
    """Bytes in everything the framer keeps."""
    return sum(len(value) for value in vars(framer).values() if isinstance(value, bytes | bytearray))
