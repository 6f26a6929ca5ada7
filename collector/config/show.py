"""The effective configuration as TOML text, which loads again to the same configuration."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from collector.config.model import Configuration, Section
from collector.config.units import Duration, Size


def show(configuration: Configuration) -> str:
    """Every key that has a value, defaults included. Of secrets only the files' names are known here."""
    return "\n".join(_tables(configuration)).strip() + "\n"


def _tables(configuration: Configuration) -> Iterator[str]:
    for name, value in _items(configuration):
        if isinstance(value, dict):
            for entry, section in value.items():
                yield from _table(f"{name}.{entry}", section)
        else:
            yield from _table(name, value)


def _table(name: str, section: Section) -> Iterator[str]:
    yield f"[{name}]"
    for key, value in _items(section):
        yield f"{key} = {_value(value)}"
    yield ""


def _items(section: Section) -> Iterator[tuple[str, Any]]:
    """What is None has no TOML form: the key is left out, as it was in the file."""
    if (tag := section.__struct_config__.tag) is not None:
        yield "type", tag
    for field in msgspec.structs.fields(section):
        value = getattr(section, field.name)
        if value is not None:
            yield field.encode_name, value


def _value(value: Any) -> str:
    if isinstance(value, Duration | Size):
        return _string(value.text())
    if isinstance(value, str | Path):
        return _string(_without_userinfo(str(value)))
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{_string(key)} = {_value(item)}' for key, item in value.items())} }}"
    if isinstance(value, Section):
        return f"{{ {', '.join(f'{key} = {_value(item)}' for key, item in _items(value))} }}"
    return json.dumps(value)


def _string(text: str) -> str:
    # JSON's escapes are TOML's, but for DEL, which no value here can hold.
    return json.dumps(text, ensure_ascii=False)


def _without_userinfo(text: str) -> str:
    """`check` refuses a URL with a password in it; what was never checked must not show one either."""
    if "://" not in text or "@" not in text:
        return text
    scheme, _, rest = text.partition("://")
    return f"{scheme}://***@{rest.rpartition('@')[2]}"
