"""From TOML's tables to the typed structs, driven by the structs themselves.

`msgspec.convert` stops at the first mistake. An operator wants all of them, so this walks the same type
information one value at a time. What is wrong is reported and left out; what is left still makes a
configuration that the later checks can judge.
"""

import difflib
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from msgspec import inspect

from collector.config.findings import Findings, Key, quoted
from collector.config.model import NOT_BUILT_TYPES, Configuration
from collector.config.units import Duration, Size

UNUSABLE: Final = object()
"""Stands for a value that was reported."""

_TOML_TYPES = (  # bool before int, which it is a kind of
    (bool, "a boolean"),
    (int, "an integer"),
    (float, "a float"),
    (str, "a string"),
    (list, "an array"),
    (dict, "a table"),
)


def decode(tables: dict[str, Any], findings: Findings, *, complete: bool) -> Configuration:
    """`complete`: all files could be read, so a required key that is not there is missing."""
    decoder = _Decoder(findings, complete)
    configuration = decoder.value(inspect.type_info(Configuration), tables, ())
    assert isinstance(configuration, Configuration)
    return configuration


def nearest(name: str, valid: Iterable[str], *, otherwise: str = "valid here") -> str:
    """What to write instead of a name that does not exist."""
    names = sorted(valid)
    match = difflib.get_close_matches(name, names, 1)
    return f'did you mean "{match[0]}"?' if match else f"{otherwise}: {', '.join(names) or 'none'}"


class _Decoder:
    def __init__(self, findings: Findings, complete: bool) -> None:
        self._findings = findings
        self._complete = complete

    def value(self, node: inspect.Type, value: Any, key: Key) -> Any:
        match node:
            case inspect.Metadata(type=inner, extra={"between": (low, high)}):
                return self._between(inner, low, high, value, key)
            case inspect.UnionType(types=types):
                return self._union([t for t in types if not isinstance(t, inspect.NoneType)], value, key)
            case inspect.StructType(tag=None):
                return self._struct(node, value, key)
            case inspect.StructType():
                return self._union([node], value, key)
            case inspect.DictType():
                return self._dict(node, value, key)
            case inspect.ListType():
                return self._list(node, value, key)
            case inspect.CustomType(cls=cls):
                return self._custom(cls, value, key)
            case inspect.LiteralType(values=values):
                return self._literal(values, value, key)
            case inspect.BoolType():
                return value if isinstance(value, bool) else self._wrong(key, "true or false", value)
            case inspect.IntType():
                return self._int(node, value, key)
            case inspect.StrType():
                return self._str(node, value, key)
        raise TypeError(f"the configuration model uses {node}, which the decoder does not know")

    def _union(self, types: list[inspect.Type], value: Any, key: Key) -> Any:
        if len(types) == 1 and not isinstance(types[0], inspect.StructType):
            return self.value(types[0], value, key)
        if not isinstance(value, dict):
            return self._wrong(key, "a table", value)
        variants = {str(t.tag): t for t in types if isinstance(t, inspect.StructType)}
        chosen = value.get("type")
        if chosen is None:
            return self._missing((*key, "type"), f"one of {_listed(sorted(variants))}")
        if not isinstance(chosen, str):
            return self._wrong((*key, "type"), "a string", chosen)
        if chosen in variants:
            return self._struct(variants[chosen], value, key)
        later = NOT_BUILT_TYPES.get(str(key[0]), ())
        if chosen in later:
            advice = f"is not built yet; available: {', '.join(sorted(variants))}"
            return self._mistake((*key, "type"), f"type {quoted(chosen)} {advice}")
        advice = nearest(chosen, variants, otherwise="available")
        return self._mistake((*key, "type"), f"unknown type {quoted(chosen)}; {advice}")

    def _struct(self, node: inspect.StructType, value: Any, key: Key) -> Any:
        if not isinstance(value, dict):
            return self._wrong(key, "a table", value)
        fields = {field.encode_name: field for field in node.fields}
        valid = [*fields, "type"] if node.tag is not None else list(fields)
        for name in value:
            if name not in valid:
                # Never with its value: it may be a password under a name we do not have.
                self._mistake((*key, name), f"unknown key; {nearest(name, valid)}")
        values: dict[str, Any] = {}
        usable = True
        for name, field in fields.items():
            if name in value:
                decoded = self.value(field.type, value[name], (*key, name))
                if decoded is not UNUSABLE:
                    values[field.name] = decoded
                    continue
            elif field.required:
                self._missing((*key, name), _wanted(field.type))
            usable = usable and not field.required
        return node.cls(**values) if usable else UNUSABLE

    def _dict(self, node: inspect.DictType, value: Any, key: Key) -> Any:
        if not isinstance(value, dict):
            return self._wrong(key, "a table", value)
        entries = {}
        for name, entry in value.items():
            at = (*key, name)
            if not re.fullmatch(getattr(node.key_type, "pattern", None) or ".*", name, re.DOTALL):
                self._mistake(at, 'not a valid name; use letters, digits, "_" and "-"')
                continue
            decoded = self.value(node.value_type, entry, at)
            if decoded is not UNUSABLE:
                entries[name] = decoded
        return entries

    def _list(self, node: inspect.ListType, value: Any, key: Key) -> Any:
        if not isinstance(value, list):
            return self._wrong(key, "an array", value, "put it in [ ]")
        if len(value) < (node.min_length or 0):
            return self._mistake(key, "is empty; give at least one")
        decoded = [self.value(node.item_type, item, (*key, i)) for i, item in enumerate(value)]
        return UNUSABLE if UNUSABLE in decoded else decoded

    def _custom(self, cls: type, value: Any, key: Key) -> Any:
        if isinstance(value, str):
            text = self._str(inspect.StrType(min_length=1), value, key)
            if text is UNUSABLE:
                return UNUSABLE
            if cls is Path:
                return Path(text)
            if issubclass(cls, Duration | Size):
                try:
                    return cls.parse(text)
                except ValueError as error:
                    return self._mistake(key, str(error))
            raise TypeError(f"the configuration model uses {cls}, which the decoder does not know")
        bare = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e9
        if cls is Duration:
            advice = f'write "{value}s"' if bare else 'write it as "5s", "20ms" or "1h"'
            return self._wrong(key, "a duration", value, advice)
        if cls is Size:
            advice = f'write "{value} B"' if bare else 'write it as "256 MiB" or "10 MB"'
            return self._wrong(key, "a size", value, advice)
        return self._wrong(key, "a string", value)

    def _between(self, node: inspect.Type, low: Any, high: Any, value: Any, key: Key) -> Any:
        decoded = self.value(node, value, key)
        if decoded is UNUSABLE or low <= decoded <= high:
            return decoded
        advice = f"give {low.text()} to {high.text()}"
        return self._mistake(key, f"{quoted(value)} is out of range; {advice}")

    def _literal(self, values: Iterable[Any], value: Any, key: Key) -> Any:
        # Not `in`: True equals 1, and 1.0 does too.
        if any(type(value) is type(one) and value == one for one in values):
            return value
        wanted = f"one of {_listed(sorted(values))}"
        if not isinstance(value, int | str) or isinstance(value, bool):
            return self._wrong(key, wanted, value)
        match = difflib.get_close_matches(str(value), [one for one in values if isinstance(one, str)], 1)
        advice = f'did you mean "{match[0]}"?' if match else f"give {wanted}"
        return self._mistake(key, f"{quoted(value)} is not valid; {advice}")

    def _int(self, node: inspect.IntType, value: Any, key: Key) -> Any:
        if not isinstance(value, int) or isinstance(value, bool):
            advice = "write it without quotes" if isinstance(value, str) and value.isdecimal() else ""
            return self._wrong(key, "an integer", value, advice)
        low, high = node.ge, node.le
        if (low is not None and value < low) or (high is not None and value > high):
            return self._mistake(key, f"{quoted(value)} is out of range; give {low} to {high}")
        return value

    def _str(self, node: inspect.StrType, value: Any, key: Key) -> Any:
        if not isinstance(value, str):
            return self._wrong(key, "a string", value)
        if any(ord(character) < 32 or ord(character) == 127 for character in value):
            return self._mistake(key, "holds a control character; remove it")
        if len(value.strip()) < (node.min_length or 0):
            return self._mistake(key, "is empty; give a value or remove the key")
        if node.max_length is not None and len(value) > node.max_length:
            return self._mistake(key, f"has {len(value)} characters; use at most {node.max_length}")
        return value

    def _wrong(self, key: Key, wanted: str, value: Any, advice: str = "") -> Any:
        found = next((name for kind, name in _TOML_TYPES if isinstance(value, kind)), "a date or time")
        return self._mistake(key, f"expected {wanted}, found {found}; {advice or f'give {wanted}'}")

    def _missing(self, key: Key, wanted: str) -> Any:
        if not self._complete:
            return UNUSABLE
        return self._mistake(key, f"missing; give {wanted}")

    def _mistake(self, key: Key, text: str) -> Any:
        self._findings.malformed(key, text)
        return UNUSABLE


def _wanted(node: inspect.Type) -> str:
    return "an array" if isinstance(node, inspect.ListType) else "a string"


def _listed(values: Iterable[Any]) -> str:
    return ", ".join(quoted(value) for value in values)
