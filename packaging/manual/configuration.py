"""edge-collector.toml(5), from the configuration's model: types, limits, defaults, and what it says of each key."""

import ast
import inspect
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import roff
from msgspec import inspect as types

from collector.config import model
from collector.config.units import Duration, Size

WHAT = {
    "collector": "The collector itself.",
    "spool": "Where readings wait.",
    "sources": "What is read. Each source has a name of its own, and a type.",
    "sinks": "Where readings go. Without a sink they are shown, counted and forgotten, and nothing is stored.",
    "status": "Status and metrics over HTTP.",
    "log": "The log.",
    "sandbox": "What the process denies itself.",
}

NOTATION = (
    ("duration", 'A number and its unit: "20ms", "5s", "2m", "1h", "7d".'),
    ("size", 'A number and its unit: "100 B", "64 kB", "256 MiB", "1 GB".'),
    (
        "secret",
        "A name ending in `_file` is a file whose content is the secret; it stands nowhere else. Looked up in "
        '$CREDENTIALS_DIRECTORY, then beside the configuration, as in password_file = "credentials/mqtt-password".',
    ),
)


class Entry(NamedTuple):
    key: str
    form: str
    """Type and limits."""
    default: str
    """Empty where there is none, `required` where there must be a value."""
    text: str


def page() -> str:
    lines = roff.header("edge-collector.toml", 5, "configuration of edge-collector")
    lines += [
        ".SH SYNOPSIS",
        ".I /etc/edge\\-collector/collector.toml",
        ".br",
        ".I /etc/edge\\-collector/conf.d/*.toml",
    ]
    lines += [".SH DESCRIPTION"]
    lines += [
        roff.escape(
            "TOML; the files in conf.d are read after the first, in the order of their names, and may add "
            "tables and keys to it. A key that is not named here is a mistake."
        )
    ]
    lines += roff.paragraph(
        "`edge-collector check` names every mistake at once, or shows what is in effect; "
        "`edge-collector init` writes a configuration to start from."
    )
    for what, meaning in NOTATION:
        lines += roff.term(what, meaning)
    for table, variants in tables():
        lines += [f".SH [{table}]", roff.escape(WHAT[table.partition(".")[0]])]
        for tag, entries in variants:
            if tag:
                lines += [f".SS type = \\(dq{tag}\\(dq"]
            for entry in entries:
                lines += [".TP", f"\\fB{roff.escape(entry.key)}\\fR = {roff.escape(entry.form)}"]
                lines += [roff.escape(" ".join(filter(None, (entry.text, _said(entry.default)))))]
    lines += [
        ".SH EXAMPLE",
        ".EX",
        'sources.host.type = "host"',
        'sinks.cloud.type = "mqtt"',
        'sinks.cloud.url = "mqtts://broker.example.com"',
        ".EE",
    ]
    lines += [".SH SEE ALSO", ".BR edge\\-collector (1)"]
    return roff.page(lines)


def tables() -> Iterator[tuple[str, list[tuple[str, list[Entry]]]]]:
    """Each table's name, with its variants by `type` (one, without a name, where it has none)."""
    for field in msgspec.structs.fields(model.Configuration):
        node = types.type_info(field.type)
        if isinstance(node, types.DictType):
            variants = node.value_type.types if isinstance(node.value_type, types.UnionType) else (node.value_type,)
            yield f"{field.name}.NAME", [(str(variant.tag), entries(variant.cls)) for variant in variants]
        else:
            yield field.name, [("", entries(node.cls))]


def entries(struct: type[msgspec.Struct]) -> list[Entry]:
    return [
        Entry(field.encode_name, _form(types.type_info(field.type)), _default(field), described(struct, field.name))
        for field in msgspec.structs.fields(struct)
    ]


def described(struct: type, key: str) -> str:
    """What the model says below the key; else what it says below the first key of this name: one name, one meaning."""
    texts = _texts()
    for base in struct.__mro__:
        if (base.__name__, key) in texts:
            return texts[base.__name__, key]
    return next((text for (_, name), text in texts.items() if name == key), "")


@cache
def _texts() -> dict[tuple[str, str], str]:
    """By struct and key: a string that stands below a field."""
    found = {}
    for node in ast.parse(inspect.getsource(model)).body:
        if isinstance(node, ast.ClassDef):
            for field, text in pairwise(node.body):
                match field, text:
                    case ast.AnnAssign(target=ast.Name(id=key)), ast.Expr(value=ast.Constant(value=str(words))):
                        found[node.name, key] = " ".join(words.split())
    return found


def _form(node: types.Type) -> str:
    match node:
        case types.Metadata(type=inner, extra={"between": (low, high)}):
            return f"{_form(inner)}, {low.text()} to {high.text()}"
        case types.Metadata(type=inner):
            return _form(inner)
        case types.UnionType(types=several):
            return " or ".join(_form(one) for one in several if not isinstance(one, types.NoneType))
        case types.LiteralType(values=values):
            return " | ".join(_value(value) for value in values)
        case types.IntType(ge=low, le=high):
            return "number" if low is None else f"number, {low} to {high}"
        case types.StrType():
            return "text"
        case types.ListType(item_type=item):
            return f"[{_form(item)}, ...]"
        case types.DictType(value_type=item):
            return f"{{ KEY = {_form(item)}, ... }}"
        case types.StructType(cls=cls):
            return (
                "{ "
                + ", ".join(f"{f.encode_name} = {_form(types.type_info(f.type))}" for f in msgspec.structs.fields(cls))
                + " }"
            )
        case types.CustomType(cls=cls):
            return {Duration: "duration", Size: "size", Path: "text"}[cls]
    return {types.BoolType: "true | false", types.FloatType: "number", types.AnyType: "any value"}[type(node)]


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "required"
    return "" if field.default in (msgspec.NODEFAULT, None) else _value(field.default)


def _value(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case Duration() | Size():
            return f'"{value.text()}"'
        case str() | Path():
            return f'"{value}"'
        case msgspec.Struct():
            return (
                "{ "
                + ", ".join(f"{key} = {_value(item)}" for key, item in msgspec.structs.asdict(value).items())
                + " }"
            )
    return str(value)


def _said(default: str) -> str:
    return "Required." if default == "required" else f"Default: {default}." if default else ""
