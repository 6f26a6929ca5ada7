"""JSON whose keys nobody declared: every one becomes a field, nested ones as `a.b` and `a[0]`.

Rules where JSON leaves a choice:
- An object is one reading, an array of objects one reading each (empty objects among them are none).
  Anything else is one reading with the field `value`, an array as `value[0]`, `value[1]`, ...
- A key that comes twice, in the text or by flattening ({"a.b": 1, "a": {"b": 2}}), holds what came last.
- An empty object or array inside is a null, so that its key is kept.
- Integers beyond 64 bits become floats; NaN, Infinity and what is beyond a float are refused.
"""

from collections.abc import Callable
from typing import Annotated, Any

import msgspec

from collector.errors import FrameError
from collector.profiles.payload.notifications import Notifications, Overlay, as_object
from collector.profiles.payload.numbers import HIGHEST, LOWEST
from collector.profiles.payload.open import OpenPayload, Stamp
from collector.profiles.payload.unit import FieldUnit, units_of
from collector.reading import Decoded

MAX_DEPTH = 64
MAX_FIELDS = 4096
"""In one reading."""
MAX_KEY_TEXT = 1024 * 1024
"""Characters of all keys of one payload together: nesting multiplies them, 10 kB could become 4 MB."""

_Int64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
_flat = msgspec.json.Decoder(dict[str, _Int64 | float | str | bool | None])
_any = msgspec.json.Decoder()
Reader = Callable[[bytes], list[Decoded]]
_NOT_FLAT = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""Nested, beyond 64 bits, or wrong. Before msgspec 0.21 a DecodeError is not a ValueError."""


class JsonPayload(OpenPayload, frozen=True, kw_only=True, tag="json"):
    units: list[FieldUnit] = []
    notifications: Notifications | None = None

    def units_of(self, fields: dict[str, Any]) -> dict[str, str]:
        return units_of(fields, self.units)

    def reader(self) -> Callable[[bytes], list[Decoded]]:
        stamp = Stamp(self)

        def read(payload: bytes) -> list[Decoded]:
            try:
                fields = _flat.decode(payload)
            except _NOT_FLAT:
                readings = _readings(payload)
            else:
                # A plain object, as most messages are: nothing to take apart.
                if stamp.bare and 0 < len(fields) <= MAX_FIELDS:
                    return [Decoded(None, fields)]
                readings = [fields]
            decoded = []
            for fields in readings:
                if not fields:
                    raise FrameError("empty", "an object or array without content")
                if len(fields) > MAX_FIELDS:
                    raise FrameError("too large", f"more than {MAX_FIELDS} fields in one reading")
                decoded.append(stamp(fields))
            return decoded

        return read if self.notifications is None else _notified(self.notifications, read)


def _notified(declared: Notifications, read: Reader) -> Reader:
    overlay, by = Overlay(declared), declared.by

    def notified(payload: bytes) -> list[Decoded]:
        message = as_object(payload)
        if message is None or by not in message:
            return read(payload)
        status = overlay.fields(message, _Flatten())
        if status is None:
            return []
        device, fields = status
        if len(fields) > MAX_FIELDS:
            raise FrameError("too large", f"more than {MAX_FIELDS} fields in one status")
        return [Decoded(device, dict(fields))]

    return notified


def _readings(payload: bytes) -> list[dict[str, Any]]:
    """The fields of each reading of any JSON text."""
    if not payload.strip():
        raise FrameError("empty", "no JSON at all")
    try:
        value = _any.decode(payload)
    except UnicodeDecodeError as error:
        raise FrameError("utf-8", str(error)) from None
    except RecursionError:
        raise FrameError("too deep", f"nested more than {MAX_DEPTH} levels") from None
    except msgspec.DecodeError as error:
        raise FrameError("json", str(error)) from None
    if not isinstance(value, dict | list):
        return [{"value": _scalar(value)}]
    if not value:
        raise FrameError("empty", "an object or array without content")
    flatten = _Flatten()
    if isinstance(value, dict):
        return [flatten(value)]
    if all(isinstance(one, dict) for one in value):
        return [flatten(one) for one in value if one] or [{}]
    return [flatten({"value": value})]


class _Flatten:
    """Flattens the objects of one payload within the limits they share."""

    def __init__(self) -> None:
        self._room = MAX_KEY_TEXT

    def __call__(self, value: dict[str, Any]) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        for key, inner in value.items():
            self._put(fields, key, inner, 1)
        return fields

    def _put(self, fields: dict[str, Any], key: str, value: Any, depth: int) -> None:
        self._room -= len(key)
        if self._room < 0 or len(fields) > MAX_FIELDS:
            raise FrameError("too large", f"more than {MAX_FIELDS} fields or {MAX_KEY_TEXT} characters of keys")
        nested = type(value) is dict or type(value) is list
        if not nested or not value:
            fields[key] = None if nested else _scalar(value)
            return
        if depth == MAX_DEPTH:
            raise FrameError("too deep", f"nested more than {MAX_DEPTH} levels")
        if type(value) is dict:
            for name, inner in value.items():
                self._put(fields, f"{key}.{name}", inner, depth + 1)
        else:
            for i, inner in enumerate(value):
                self._put(fields, f"{key}[{i}]", inner, depth + 1)


def _scalar(value: Any) -> Any:
    if type(value) is not int or LOWEST <= value <= HIGHEST:
        return value
    try:
        return float(value)
    except OverflowError:
        raise FrameError("json", "a number beyond what a float can hold") from None
