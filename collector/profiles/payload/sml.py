"""Smart Message Language, version 1.04: a tree of lists, of which the lists of a meter's values are readings.

A value is named by its OBIS code as C.D.E; billing periods before (F is not 255) by C.D.E*F. Its unit is the one it
carries. The device is the meter's server id. (BSI TR-03109-1, annex IV)
"""

from collections.abc import Callable
from typing import Any, ClassVar

from collector.errors import FrameError
from collector.profiles.payload.dlms import UNITS
from collector.profiles.payload.numbers import HIGHEST, LOWEST
from collector.profiles.payload.open import OpenPayload
from collector.reading import Decoded

GET_LIST_RESPONSE = 0x0701
MAX_DEPTH = 16
MEASURED = range(1, 96)
"""Values of C that stand for quantities: only for these F counts billing periods."""

_MALFORMED = "sml"


class SmlPayload(OpenPayload, frozen=True, kw_only=True, tag="sml"):
    options: ClassVar[frozenset[str]] = frozenset()

    def units_of(self, fields: dict[str, Any]) -> dict[str, str]:
        return {}

    def reader(self) -> Callable[[bytes], list[Decoded]]:
        return _readings


def _readings(data: bytes) -> list[Decoded]:
    decoded: list[Decoded] = []
    at = 0
    while at < len(data):
        if data[at] == 0:  # what ends a message, or fills up
            at += 1
            continue
        message, at = _element(data, at, 0)
        match message:
            case [_, _, _, [int(tag), [_, server, _, _, list(values), *_]], *_] if tag == GET_LIST_RESPONSE:
                decoded.append(_reading(server, values))
            case [_, _, _, [int(), _], *_]:
                pass
            case _:
                raise FrameError(_MALFORMED, f"byte {at}: what ends here is no message")
    return decoded


def _element(data: bytes, at: int, depth: int) -> tuple[Any, int]:
    """What begins at `at`, and where it ends: bytes, bool, int, list, or None where nothing is told."""
    if depth > MAX_DEPTH:
        raise FrameError(_MALFORMED, f"nested more than {MAX_DEPTH} levels")
    begin = at
    try:
        head = data[at]
        if head == 0:  # the end of a message, its last element
            return None, at + 1
        kind, length = head >> 4 & 7, head & 0x0F
        while head & 0x80:
            at += 1
            head = data[at]
            length = length << 4 | head & 0x0F
        at += 1
        if kind == 7:
            elements = []
            for _ in range(length):
                element, at = _element(data, at, depth + 1)
                elements.append(element)
            return elements, at
    except IndexError:
        raise FrameError(_MALFORMED, "the data end within an element") from None
    end = begin + length
    if end > len(data) or end < at:
        raise FrameError(_MALFORMED, f"byte {begin}: an element longer than the data, or shorter than its head")
    value = data[at:end]
    if kind == 0:
        return value or None, end
    if not value or kind not in (4, 5, 6):
        raise FrameError(_MALFORMED, f"byte {begin}: 0x{data[begin]:02X} begins no element")
    return any(value) if kind == 4 else int.from_bytes(value, "big", signed=kind == 5), end


def _reading(server: Any, entries: list[Any]) -> Decoded:
    fields: dict[str, Any] = {}
    units: dict[str, str] = {}
    for entry in entries:
        match entry:
            case [bytes(code), _, _, unit, scaler, value, *_] if len(code) == 6:
                name = _name(code)
                if name in fields:
                    name = f"{code[0]}-{code[1]}:{code[2]}.{code[3]}.{code[4]}*{code[5]}"
                fields[name] = _value(value, scaler)
                if isinstance(unit, int) and unit in UNITS and not isinstance(value, bytes):
                    units[name] = UNITS[unit]
            case _:
                raise FrameError(_MALFORMED, "an entry of the list of values is none")
    if not fields:
        raise FrameError("empty", "a list without values")
    device = "0x" + server.hex().upper() if isinstance(server, bytes) and any(server) else None
    return Decoded(device, fields, None, None, units or None)


def _name(code: bytes) -> str:
    billed = code[5] != 255 and code[2] in MEASURED
    return f"{code[2]}.{code[3]}.{code[4]}" + (f"*{code[5]}" if billed else "")


def _value(value: Any, scaler: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode() if all(0x20 <= byte < 0x7F for byte in value) else value.hex()
    if value is None or isinstance(value, bool):
        return value
    if not isinstance(value, int) or not LOWEST <= value <= HIGHEST:
        raise FrameError(_MALFORMED, "a value that is neither number nor text")
    scaler = scaler if isinstance(scaler, int) else 0
    if not -128 <= scaler <= 127:
        raise FrameError(_MALFORMED, f"a scaler of {scaler}")
    if scaler < 0:
        return value / 10**-scaler
    scaled = value * 10**scaler
    return scaled if LOWEST <= scaled <= HIGHEST else float(scaled)
