"""Tables of a profile as typed values, read so that every mistake is found and not only the first."""

import difflib
import re
import types
import typing
from collections.abc import Iterable, Iterator
from typing import Any, Literal, TypeVar

import msgspec

from collector.config.units import Duration

T = TypeVar("T")
_FAILED: Any = object()


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """Base of every table. One of several kinds is chosen by its key `type` (the struct's tag)."""

    def mistakes(self) -> Iterable[tuple[str, str]]:
        """What the types alone cannot say, as (key, what is wrong)."""
        return ()


class Hex(bytes):
    """Bytes written as hex digits; spaces, colons, commas and 0x may stand between whole bytes."""

    @classmethod
    def parse(cls, text: str) -> "Hex":
        """Raises ValueError with what to write instead."""
        words = [word.removeprefix("0x").removeprefix("0X") for word in re.split(r"[\s:,]+", text)]
        if not all(re.fullmatch(r"(?:[0-9A-Fa-f]{2})*", word) for word in words):
            raise ValueError(f'{text!r} is not hex: write two digits a byte, such as "aa c0"')
        return cls(bytes.fromhex("".join(words)))


def nearest(word: str, names: Iterable[str]) -> str:
    """The end of a complaint: the name that was probably meant, else all of them."""
    names = sorted(names)
    close = difflib.get_close_matches(word.lower(), names, n=1)
    return f"did you mean {close[0]!r}?" if close else f"one of: {', '.join(names)}"


def read(raw: Any, wanted: type[T], mistakes: list[str], where: str = "") -> T | None:
    """A `Table` from parsed TOML, None where too much is missing; what is wrong is added to `mistakes`.

    Reading goes on past a mistake wherever the rest still makes sense, so that a caller can go on checking.
    """
    value = _value(raw, wanted, where, mistakes)
    return None if value is _FAILED else typing.cast(T, value)


def _value(raw: Any, wanted: Any, where: str, mistakes: list[str]) -> Any:
    choices = [kind for kind in _alternatives(wanted) if kind is not types.NoneType]
    lists = [kind for kind in choices if typing.get_origin(kind) is list]
    if len(choices) == 2 and lists and isinstance(raw, list | dict):  # one table, or several
        return _value(raw, lists[0] if isinstance(raw, list) else choices[choices[0] in lists], where, mistakes)
    if all(isinstance(kind, type) and issubclass(kind, Table) for kind in choices):
        return _table(raw, choices, where, mistakes)
    if typing.get_origin(wanted) is list and _is_table(typing.get_args(wanted)[0]) and isinstance(raw, list):
        element = typing.get_args(wanted)[0]
        values = [_value(one, element, f"{where}[{i}]", mistakes) for i, one in enumerate(raw)]
        values = [value for value in values if value is not _FAILED]
        return values if values or not raw else _FAILED
    if len(choices) == 1 and typing.get_origin(choices[0]) is Literal:
        names = typing.get_args(choices[0])
        if raw not in names:
            mistakes.append(f"{where}: {raw!r} is not known; {nearest(str(raw), map(str, names))}")
            return _FAILED
    try:
        return msgspec.convert(raw, wanted, dec_hook=_parse)
    except msgspec.ValidationError as error:
        mistakes.append(f"{where}: {error}")
        return _FAILED


def _table(raw: Any, kinds: list[type[Table]], where: str, mistakes: list[str]) -> Any:
    if not isinstance(raw, dict):
        mistakes.append(f"{where}: must be a table")
        return _FAILED
    kind = kinds[0]
    tags = {str(one.__struct_config__.tag): one for one in kinds if one.__struct_config__.tag is not None}
    if tags:
        tag = raw.get("type")
        if tag not in tags:
            said = "missing" if tag is None else f"{tag!r} is not known"
            mistakes.append(f"{_key(where, 'type')}: {said}; {nearest(str(tag), tags)}")
            return _FAILED
        kind = tags[tag]
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    for name in sorted(raw.keys() - fields.keys() - ({"type"} if tags else set())):
        mistakes.append(f"{_key(where, name)}: unknown key; {nearest(name, fields)}")
    values: dict[str, Any] = {}
    failed: set[str] = set()
    complete = True
    for name, field in fields.items():
        if name in raw:
            value = _value(raw[name], field.type, _key(where, name), mistakes)
            if value is not _FAILED:
                values[field.name] = value
            else:
                failed.add(name)
                complete = complete and not field.required
        elif field.required:
            mistakes.append(f"{_key(where, name)}: missing")
            complete = False
    if not complete:
        return _FAILED
    table = kind(**values)
    mistakes.extend(f"{_key(where, key)}: {text}" for key, text in table.mistakes() if key not in failed)
    return table


def _alternatives(wanted: Any) -> Iterator[Any]:
    if typing.get_origin(wanted) in (typing.Union, types.UnionType):
        yield from typing.get_args(wanted)
    else:
        yield wanted


def _is_table(wanted: Any) -> bool:
    return isinstance(wanted, type) and issubclass(wanted, Table)


def _key(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


def _parse(wanted: type, raw: Any) -> Any:
    if wanted in (Hex, Duration) and isinstance(raw, str):
        return wanted.parse(raw)
    raise ValueError(f"must be text, not {raw!r}")
