"""A configuration with mistakes as its files have it; values are shown only under keys that we know."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from collector.config import model
from collector.config.files import read_files
from collector.config.findings import Findings, Key, dotted
from collector.mask import MASK

_SECTIONS: tuple[type[model.Section], ...] = (
    *(model.CollectorSection, model.SpoolSection, model.StatusSection, model.LogSection, model.SandboxSection),
    *(model.SerialSource, model.ModbusSource, model.ModbusDevice, model.MqttSource, model.HostSource),
    *(model.ReplaySource, model.MqttSink, model.HttpSink, model.FileSink),
    model.BackoffRange,
)
_KNOWN = {"type", *(field.encode_name for section in _SECTIONS for field in msgspec.structs.fields(section))}
"""No key among them takes a secret; one that we do not know may be a password under another name."""


def show(path: Path) -> str:
    """A line a value. What is no TOML cannot be masked, so it is left out."""
    document = read_files(path, Findings(path.name))
    left_out = "" if document.complete else "# left out: what cannot be read as TOML, and so not be masked\n"
    return left_out + "".join(_lines(document.tables, ()))


def _lines(tables: dict[str, Any], at: Key) -> Iterator[str]:
    for name, value in tables.items():
        if isinstance(value, dict):
            yield from _lines(value, (*at, name))
        else:
            shown = json.dumps(value, ensure_ascii=False, default=str) if name in _KNOWN and _flat(value) else MASK
            yield f"{dotted((*at, name))} = {shown}\n"


def _flat(value: Any) -> bool:
    return not isinstance(value, list) or not any(isinstance(item, dict | list) for item in value)
