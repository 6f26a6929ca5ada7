"""Lines of a key and a value (Victron VE.Direct). A key that is not declared is a field as it stands."""

from collections.abc import Callable, Iterable
from typing import Annotated, Any, Literal

import msgspec

from collector.errors import FrameError
from collector.profiles.payload import literal
from collector.profiles.payload.numbers import HIGHEST, LOWEST
from collector.profiles.payload.open import OpenPayload, Stamp
from collector.profiles.payload.value import Value, repeated
from collector.reading import Decoded


class KeyField(Value, frozen=True, kw_only=True):
    """The field's name is the key's."""

    type: Literal["number", "text", "version"] = "number"
    """version: the last two digits stand behind a point that is not sent, "0307" is "3.07"."""

    def mistakes(self) -> Iterable[tuple[str, str]]:
        yield from super().mistakes()
        if self.type != "number" and (not self.plain or self.range is not None or self.unit is not None):
            yield "type", f"{self.type} is text: leave out everything that is said of numbers"

    def word_reader(self) -> Callable[[str], Any]:
        if self.type == "text":
            return str
        if self.type == "version":
            return _version
        return self.reader(_number if self.enum is None and self.flags is None else _whole, (LOWEST, HIGHEST))


class KeyValuePayload(OpenPayload, frozen=True, kw_only=True, tag="key-value"):
    separator: Annotated[str, msgspec.Meta(min_length=1, max_length=8)]
    fields: list[KeyField] = []
    null: list[str] = []
    """Words that mean "no value"."""

    def mistakes(self) -> Iterable[tuple[str, str]]:
        yield from super().mistakes()
        yield from repeated((field.name for field in self.fields), "field")

    def units_of(self, fields: dict[str, Any]) -> dict[str, str]:
        return {one.name: one.unit for one in self.fields if one.unit is not None and one.name in fields}

    def reader(self) -> Callable[[bytes], list[Decoded]]:
        plan = {field.name: (field.word_reader(), field.doubt()) for field in self.fields}
        null, separator, stamp = frozenset(self.null), self.separator, Stamp(self)

        def read(payload: bytes) -> list[Decoded]:
            fields: dict[str, Any] = {}
            suspect: list[str] = []
            for line in literal.text(payload).splitlines():
                key, found, word = line.partition(separator)
                if not line:
                    continue
                if not found or not key:
                    raise FrameError("line", f"{line[:40]!r} has no key or no value")
                if word in null:
                    fields[key] = None
                elif key not in plan:
                    fields[key] = literal.value(word)
                else:
                    value_of, doubtful = plan[key]
                    fields[key] = value = value_of(word)
                    if doubtful is not None and value is not None and doubtful(value):
                        suspect.append(key)
            if not fields:
                raise FrameError("empty", "a block without values")
            return [stamp(fields, suspect=suspect)]

        return read


def _number(word: str) -> int | float:
    number = literal.value(word)
    if not isinstance(number, int | float):
        raise FrameError("number", f"{word[:40]!r} is no number")
    return number


def _whole(word: str) -> int:
    number = _number(word)
    if not isinstance(number, int):
        raise FrameError("number", f"{word[:40]!r} is no whole number")
    return number


def _version(word: str) -> str:
    return f"{word[:-2].lstrip('0') or '0'}.{word[-2:]}" if len(word) > 2 else word
