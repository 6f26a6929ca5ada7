"""The fields that a profile declares, as rows of a table."""

from collections.abc import Iterator
from typing import NamedTuple

from collector.profiles import Profile
from collector.profiles.payload import (
    BinaryPayload,
    CsvPayload,
    JsonPayload,
    KeyValuePayload,
    ObisPayload,
    RegistersPayload,
    SentencesPayload,
    TextPayload,
    TlvPayload,
)
from collector.profiles.payload.binary import BinaryField
from collector.profiles.payload.registers import RegisterField
from collector.profiles.payload.sentences import SentenceField
from collector.profiles.payload.unit import FieldUnit
from collector.profiles.payload.value import Value


class FieldRow(NamedTuple):
    field: str
    unit: str
    values: str
    """Names, or the plausible range."""
    place: str
    """Where in the frame, and in which form."""


def fields_of(profile: Profile) -> Iterator[FieldRow]:
    """Those of an open payload, such as JSON, are only what the profile knows units for."""
    payload = profile.declaration.payload
    match payload:
        case BinaryPayload():
            for field in payload.fields:
                yield _binary(field.name, field, f"bytes [{field.at}, {field.end})")
        case KeyValuePayload():
            for key in payload.fields:
                yield FieldRow(key.name, key.unit or "", _values(key), key.type + _linear(key))
        case RegistersPayload():
            yield from map(_register, payload.fields)
        case TlvPayload():
            for kind in payload.types:
                for part in kind.fields:
                    yield _binary(f"ch<channel>.{part.name}", part, f"type {kind.id}, bytes [{part.at}, {part.end})")
        case SentencesPayload():
            for sentence in payload.sentences:
                for word in sentence.fields:
                    place = f"{sentence.id} place {word.at}, {word.type}{_linear(word)}"
                    yield FieldRow(word.name, _sentence_unit(word), _values(word), place)
        case ObisPayload():
            for code in payload.fields:
                yield FieldRow(code.name, "as sent" if code.type == "number" else "", "", f"{code.code}, {code.type}")
            if payload.mbus is not None:
                for type, name in payload.mbus.names.items():
                    yield FieldRow(name, "as sent", "", f"of a meter of type {type} behind this one")
                for code in payload.mbus.fields:
                    yield FieldRow(code.name, "", "", f"{code.code}, {code.type}, of a meter behind this one")
        case CsvPayload():
            for column in payload.columns:
                yield FieldRow(column.name, column.unit or "", "number" if column.unit else "", "")
        case JsonPayload() | TextPayload():
            for rule in payload.units:
                for pattern in rule.fields:
                    yield FieldRow(pattern, *_chosen(rule), "")


def _binary(name: str, field: BinaryField, place: str) -> FieldRow:
    bits = f" bits [{field.bits[0]}, {field.bits[1]})" if field.bits is not None else ""
    count = f", {field.count} of them" if field.count is not None else ""
    counter = ", a counter that rolls over" if field.rollover else ""
    return FieldRow(
        name, field.unit or "", _values(field), f"{place} {field.type}{bits}{_linear(field)}{count}{counter}"
    )


def _register(field: RegisterField) -> FieldRow:
    bits = f" bits [{field.bits[0]}, {field.bits[1]})" if field.bits is not None else ""
    asked = "" if field.poll else ", only where a source names it"
    place = f"{field.table} {field.register:#06x} {field.type}{bits}{_linear(field)}{asked}"
    return FieldRow(field.name, field.unit or "", _values(field), place)


def _linear(value: Value) -> str:
    scale = f" * {value.scale:g}" if value.scale != 1 else ""
    return scale + (f" {'-' if value.offset < 0 else '+'} {abs(value.offset):g}" if value.offset else "")


def _values(field: Value) -> str:
    if field.enum is not None:
        return ", ".join(f"{code} {name}" for code, name in field.enum.items())
    if field.flags is not None:
        return ", ".join(f"bit {bit} {name}" for bit, name in field.flags.items())
    return f"{field.range[0]:.12g} to {field.range[1]:.12g}" if field.range is not None else ""


def _sentence_unit(word: SentenceField) -> str:
    if word.unit_by is None:
        return word.unit or ""
    return ", ".join(f"{unit} where {word.unit_by.at} is {key}" for key, unit in word.unit_by.units.items())


def _chosen(rule: FieldUnit) -> tuple[str, str]:
    choice = rule.chosen_by
    if choice is None:
        return rule.unit or "", ""
    return rule.unit or "", ", ".join(f"{unit} if {choice.field} is {key}" for key, unit in choice.units.items())
