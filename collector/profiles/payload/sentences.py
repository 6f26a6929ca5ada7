"""Sentences of values between commas, each of a kind of its own (NMEA 0183).

An empty place is null; kinds that are not declared are ignored.
"""

import re
from collections.abc import Callable, Iterable
from datetime import date
from itertools import count
from typing import Annotated, Any, Literal

import msgspec

from collector.errors import FrameError
from collector.profiles.payload import literal
from collector.profiles.payload.numbers import HIGHEST, LOWEST
from collector.profiles.payload.open import OpenPayload, Stamp
from collector.profiles.payload.value import Value, repeated
from collector.profiles.table import Table
from collector.reading import Decoded

Place = Annotated[int, msgspec.Meta(ge=1, le=82)]
Read = Callable[[list[str]], Any]

_TIME = re.compile(r"([01]\d|2[0-3])([0-5]\d)([0-5]\d|60)(\.\d+)?")
_DATE = re.compile(r"(\d\d)(\d\d)(\d\d)")
_ANGLE = re.compile(r"(\d{1,3})([0-5]\d(?:\.\d*)?)")
_FIRST_YEAR = 80
"""Of two digits: GPS began in 1980."""


class UnitPlace(Table, frozen=True, kw_only=True):
    """The sentence itself says which unit it uses: at `at` stands a key of `units`."""

    at: Place
    units: dict[str, str]


class SentenceField(Value, frozen=True, kw_only=True):
    """`at` counts the places between commas from 1; the one before is the sentence's kind."""

    at: Place
    type: Literal["number", "text", "time", "date", "angle", "signed"] = "number"
    """angle: ddmm.mmm, in degrees; signed: a number. Both are negative where S or W stands in the place behind."""
    unit_by: UnitPlace | None = None

    def mistakes(self) -> Iterable[tuple[str, str]]:
        yield from super().mistakes()
        if self.type in ("text", "time", "date") and (not self.plain or self.range is not None or self.unit):
            yield "type", f"{self.type} is text: leave out everything that is said of numbers"

    def words_reader(self) -> Read:
        at = self.at
        match self.type:
            case "text":
                return lambda words: _word(words, at) or None
            case "time":
                return _given(at, _time)
            case "date":
                return _given(at, _date)
            case "angle":
                return lambda words: _turned(words, at, _angle)
            case "signed":
                return lambda words: _turned(words, at, _number)
            case _:
                read = self.reader(_number, (LOWEST, HIGHEST))
                return _given(at, read)


class Group(Table, frozen=True, kw_only=True):
    """The places repeat, `size` of them a value, whose name the sentence itself carries (XDR)."""

    size: Annotated[int, msgspec.Meta(ge=2, le=16)]
    kind: Place
    value: Place
    unit: Place
    name: Place
    units: dict[str, str] = {}
    """Kind and unit as sent, with a space between -> unit; others stay as they are sent."""
    names: dict[str, str] = {}
    """Kind -> name, where the sentence carries none."""

    def mistakes(self) -> Iterable[tuple[str, str]]:
        for key in ("kind", "value", "unit", "name"):
            if getattr(self, key) > self.size:
                yield key, f"lies outside the group's {self.size} places"


class Sentence(Table, frozen=True, kw_only=True):
    id: Annotated[str, msgspec.Meta(min_length=1)]
    """Without the talker's two letters; proprietary sentences whole, with their P."""
    fields: list[SentenceField] = []
    group: Group | None = None

    def mistakes(self) -> Iterable[tuple[str, str]]:
        if bool(self.fields) == (self.group is not None):
            yield "fields", "a sentence has either fields or a group"
        yield from repeated((field.name for field in self.fields), "field")


class SentencesPayload(OpenPayload, frozen=True, kw_only=True, tag="sentences"):
    sentences: list[Sentence]

    def units_of(self, fields: dict[str, Any]) -> dict[str, str]:
        return {}

    def reader(self) -> Callable[[bytes], list[Decoded]]:
        kinds = {one.id: _groups(one.group) if one.group else _fields(one.fields) for one in self.sentences}
        stamp = Stamp(self)

        def read(payload: bytes) -> list[Decoded]:
            address, *words = literal.text(payload).partition("*")[0].split(",")
            kind = address[1:] if address[1:2] == "P" else address[3:]
            if kind not in kinds:
                return []
            fields, units, suspect = kinds[kind](["", *words])
            if not fields:
                raise FrameError("empty", f"{kind} without values")
            return [stamp(fields, units, suspect)]

        return read


_Parts = tuple[dict[str, Any], dict[str, str], list[str]]


def _fields(declared: list[SentenceField]) -> Callable[[list[str]], _Parts]:
    plan = [(field, field.words_reader(), field.doubt()) for field in declared]

    def read(words: list[str]) -> _Parts:
        fields: dict[str, Any] = {}
        units: dict[str, str] = {}
        suspect: list[str] = []
        for field, value_of, doubtful in plan:
            fields[field.name] = value = value_of(words)
            unit = field.unit
            if field.unit_by is not None:
                sent = _word(words, field.unit_by.at)
                unit = field.unit_by.units.get(sent, sent)
            if unit:
                units[field.name] = unit
            if doubtful is not None and value is not None and doubtful(value):
                suspect.append(field.name)
        return fields, units, suspect

    return read


def _groups(group: Group) -> Callable[[list[str]], _Parts]:
    def read(words: list[str]) -> _Parts:
        fields: dict[str, Any] = {}
        units: dict[str, str] = {}
        for first in range(1, len(words), group.size):
            part = ["", *words[first : first + group.size]]
            kind, unit = _word(part, group.kind), _word(part, group.unit)
            if not any(part):
                continue
            name = _word(part, group.name) or group.names.get(kind, kind)
            if not name:
                raise FrameError("name", "a value with neither name nor kind")
            name = _unused(name, fields)
            word = _word(part, group.value)
            fields[name] = literal.value(word) if word else None
            if unit := group.units.get(f"{kind} {unit}", unit):
                units[name] = unit
        return fields, units, []

    return read


def _unused(name: str, fields: dict[str, Any]) -> str:
    """name, name_2, name_3: transducers of one name in one sentence, or several without."""
    return next(one for n in count(1) if (one := name if n == 1 else f"{name}_{n}") not in fields)


def _word(words: list[str], at: int) -> str:
    """Nothing where older devices end their sentence earlier."""
    return words[at].strip() if at < len(words) else ""


def _given(at: int, read: Callable[[str], Any]) -> Read:
    return lambda words: read(word) if (word := _word(words, at)) else None


def _turned(words: list[str], at: int, read: Callable[[str], int | float]) -> int | float | None:
    word, way = _word(words, at), _word(words, at + 1)
    if not word:
        return None
    if way not in ("", "N", "S", "E", "W"):
        raise FrameError("direction", f"{way[:20]!r} is none of N, S, E and W")
    return -read(word) if way in ("S", "W") else read(word)


def _number(word: str) -> int | float:
    number = literal.value(word)
    if not isinstance(number, int | float):
        raise FrameError("number", f"{word[:40]!r} is no number")
    return number


def _angle(word: str) -> float:
    """Degrees to six decimals, a tenth of a metre."""
    found = _ANGLE.fullmatch(word)
    if not found or int(found[1]) > 180:
        raise FrameError("angle", f"{word[:40]!r} is no angle in degrees and minutes")
    return round(int(found[1]) + float(found[2]) / 60, 6)


def _time(word: str) -> str:
    found = _TIME.fullmatch(word)
    if not found:
        raise FrameError("time", f"{word[:40]!r} is no time of day")
    return f"{found[1]}:{found[2]}:{found[3]}{found[4] or ''}Z"


def _date(word: str) -> str:
    found = _DATE.fullmatch(word)
    try:
        day, month, year = (int(part) for part in found.groups()) if found else (0, 0, 0)
        return date(year + (1900 if year >= _FIRST_YEAR else 2000), month, day).isoformat()
    except ValueError:
        raise FrameError("date", f"{word[:40]!r} is no date") from None
