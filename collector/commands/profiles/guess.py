"""What a capture looks like: where its frames begin and end, which checksum they carry, what its lines hold.

Pure. A guess is a beginning for a person who has the data sheet, not an answer.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from collector.profiles.checksum import ALGORITHMS, Checksum

LOOKED_AT = 16_384
"""Bytes of the capture; a few hundred frames tell as much as thousands."""

FEWEST = 3
"""Frames that must agree."""

MOST_STARTS = 300
"""Pairs of bytes looked at, those that come oftenest first."""

LONGEST = 260
"""Bytes of a binary frame."""

SEPARATORS = {",": ",", ";": ";", "|": "|", "tab": "\t", "space": " "}


class Guess(NamedTuple):
    """Tables of a profile.toml, and why."""

    framing: dict[str, Any]
    checksum: dict[str, Any] | None
    payload: dict[str, Any]
    why: str
    frame: bytes = b""
    """One of the binary frames."""


def guess(data: bytes) -> Guess | None:
    """None where nothing repeats."""
    data = data[:LOOKED_AT]
    return _lines(data) if _is_text(data) else _frames(data)


def _is_text(data: bytes) -> bool:
    printable = sum(32 <= byte < 127 or byte in b"\t\r\n" for byte in data)
    return b"\n" in data and printable >= 0.97 * len(data)


def _lines(data: bytes) -> Guess | None:
    lines = [line.strip() for line in data.decode("utf-8", "replace").split("\n")[1:] if line.strip()]
    lines = lines or [data.decode("utf-8", "replace").strip()]
    framing = {"type": "delimiter"}
    if _most(lines, _is_json):
        return Guess(framing, None, {"type": "json"}, f"{len(lines)} lines of JSON")
    separator, values = max(
        ((name, _values(lines, character)) for name, character in SEPARATORS.items()), key=lambda one: one[1]
    )
    if values < 2:
        return Guess(framing, None, {"type": "csv", "columns": [{"name": "value"}]}, f"{len(lines)} lines of one value")
    columns = [{"name": f"c{at}"} for at in range(values)]
    payload = {"type": "csv", "separator": separator, "columns": columns}
    return Guess(framing, None, payload, f"{len(lines)} lines of {values} values")


def _most(lines: Sequence[str], is_so: Callable[[str], bool]) -> bool:
    return sum(map(is_so, lines)) >= 0.8 * len(lines)


def _is_json(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict | list)
    except ValueError:
        return False


def _values(lines: Sequence[str], separator: str) -> int:
    """How many there are in most lines, 1 where that is not the same number."""
    widths = Counter(len(line.split() if separator == " " else line.split(separator)) for line in lines)
    [(width, times)] = widths.most_common(1)
    return width if times >= 0.8 * len(lines) else 1


class _Run(NamedTuple):
    """Where a start was seen again and again, `lengths` apart."""

    start: bytes
    frames: list[bytes]


def _frames(data: bytes) -> Guess | None:
    found = [guess for run in _runs(data) if (guess := _explained(run)) is not None]
    return max(found, key=lambda one: _likelihood(one, data), default=None)


def _likelihood(looks: Guess, data: bytes) -> tuple[bool, int, int]:
    """Whatever is the same in every frame may be its first byte: a checksum tells, else what came first."""
    covered = looks.checksum["over"][0] if looks.checksum is not None else 0
    return looks.checksum is not None, -covered, -data.find(looks.frame)


def _runs(data: bytes) -> Iterator[_Run]:
    """Pairs of bytes that come again and again at the same distances, over most of the capture."""
    places: dict[bytes, list[int]] = {}
    for place in range(len(data) - 1):
        places.setdefault(data[place : place + 2], []).append(place)
    often = sorted(places.items(), key=lambda one: -len(one[1]))[:MOST_STARTS]
    for start, at in often:
        gaps = Counter(following - one for one, following in pairwise(at))
        usual = [gap for gap, times in gaps.items() if times >= FEWEST - 1 and 4 <= gap <= LONGEST]
        frames = [data[one:following] for one, following in pairwise(at) if following - one in usual]
        if len(frames) >= FEWEST - 1 and 2 * sum(map(len, frames)) > len(data):
            yield _Run(start, frames)


def _explained(run: _Run) -> Guess | None:
    start, lengths = run.start.hex(" "), Counter(map(len, run.frames))
    [(length, _)] = lengths.most_common(1)
    framing: dict[str, Any]
    if len(lengths) == 1:
        framing = {"type": "fixed", "start": start, "length": length}
        ends = {frame[-1:] for frame in run.frames}
        if len(ends) == 1 and len(run.frames) >= FEWEST:
            framing["end"] = ends.pop().hex()
    elif (field := _length_field(run.frames)) is not None:
        framing = {"type": "length-field", "start": start, "length": field, "max_length": LONGEST, "lengths": [length]}
    else:
        return None
    many = ", ".join(map(str, sorted(lengths)))
    why = f"{len(run.frames)} frames of {many} bytes that begin with {start}"
    end = -1 if "end" in framing else 0
    checksum = _checksum(run.frames)
    if checksum is not None:
        why += f", all with a right {checksum['type']}"
        end = checksum["at"]
        if end + ALGORITHMS[checksum["type"]][1] == 0:
            framing.pop("end", None)
    fields = [{"name": f"word_{at}", "at": at, "type": "u16be"} for at in range(len(run.start), length + end - 1, 2)]
    return Guess(framing, checksum, {"type": "binary", "fields": fields}, why, run.frames[0])


def _length_field(frames: Sequence[bytes]) -> dict[str, Any] | None:
    """A number in every frame that is, but for a constant, the frame's length."""
    for at in range(2, 5):
        for type, size, order in (("u8", 1, "big"), ("u16be", 2, "big"), ("u16le", 2, "little")):
            add = {len(frame) - int.from_bytes(frame[at : at + size], order) for frame in frames}  # type: ignore[arg-type]
            if len(add) == 1 and 0 <= (more := add.pop()) <= 16:
                return {"at": at, "type": type, "add": more}
    return None


def _checksum(frames: Sequence[bytes]) -> dict[str, Any] | None:
    """One that is right in every frame, at its end or before one last byte, over all from one of the first bytes on."""
    if len(set(frames)) < 2:
        return None
    for type, (_, width) in ALGORITHMS.items():
        for at in (-width, -width - 1):
            for first in range(5):
                for order in ("big", "little") if width == 2 else (None,):
                    checksum = Checksum(type=type, over=(first, at), at=at, byte_order=order)  # type: ignore[arg-type]
                    right = checksum.verifier()
                    if all(len(frame) > first - at and right(frame) for frame in frames):
                        said: dict[str, Any] = {"type": type, "over": [first, at], "at": at}
                        return said | ({"byte_order": order} if order else {})
    return None
