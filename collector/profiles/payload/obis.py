"""Lines of an OBIS code and values in brackets: DSMR P1 and IEC 62056-21 (D0).

    1-0:1.8.1(000004.426*kWh)                       a value with its unit
    0-1:24.2.1(170102161005W)(00000.107*m3)         one with a time of its own: field and field_timestamp
    1-0:99.97.0(1)(0-0:96.7.19)(000104180320W)(0000237126*s)      a list: its length,
                                                                    field[0].timestamp, field[0].duration

Units are as sent. A code is found as it is sent, then without `A-B:`; `*255` is left out, and `C.D` and `C.D.255` are
`C.D.0`. A code that is not declared becomes a field of that name: a number where it has a unit, else the text as sent.
Local times become UTC; S and W behind them tell summer from winter.
"""

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

import msgspec

from collector.errors import FrameError
from collector.profiles.payload import literal
from collector.profiles.payload.open import OpenPayload, Stamp
from collector.profiles.payload.value import repeated
from collector.profiles.table import Table
from collector.reading import Decoded

Text = Annotated[str, msgspec.Meta(min_length=1)]

_LINE = re.compile(r"([^()]{1,40})((?:\([^()]*\))+)")
_TIME = re.compile(r"(\d{12})([SW]?)")
_CODE = re.compile(r"\d+-\d+:\d+\.\d+\.\d+(?:\*\d+)?")
_CHANNEL = re.compile(r"0-([1-9]\d*):(.+)")
MAX_FIELDS = 4096


class ObisField(Table, frozen=True, kw_only=True):
    code: Text
    """With `A-B:` only that one; without, that of every medium and channel."""
    name: Text
    type: Literal["number", "text", "hex", "time"] = "number"
    """number: as sent, with its unit if it has one; hex: a text sent as hexadecimal digits; time: YYMMDDhhmmss{S,W}."""
    each: list[Text] | None = None
    """The code holds a list of so many values each, of these names. The field itself is its length."""


class MBus(Table, frozen=True, kw_only=True):
    """Meters behind this one, on channels: codes `0-1:` to `0-9:`. Their fields begin with the name of their type."""

    type: Text
    """Code that tells a channel's type, such as "24.1.0"."""
    names: dict[str, Text]
    """Type -> name."""
    values: list[Text]
    """Codes of the reading, which is the field of that name."""
    fields: list[ObisField] = []
    """What else a channel tells; their names are put behind the channel's."""


class ObisPayload(OpenPayload, frozen=True, kw_only=True, tag="obis"):
    fields: list[ObisField]
    identification: str | None = None
    """Field for what stands on the first line."""
    mbus: MBus | None = None

    def mistakes(self) -> Iterable[tuple[str, str]]:
        yield from super().mistakes()
        yield from repeated((field.code for field in self.fields), "code")
        if self.time_zone is None and any(field.type == "time" for field in self.fields):
            yield "time_zone", "missing: without it a local time is no instant"

    def units_of(self, fields: dict[str, Any]) -> dict[str, str]:
        return {}

    def reader(self) -> Callable[[bytes], list[Decoded]]:
        stamp, zone = Stamp(self), self.zone
        declared = {field.code: field for field in self.fields}

        def read(payload: bytes) -> list[Decoded]:
            identification, lines = _lines(literal.text(payload))
            telegram = _Telegram(declared, self.mbus, zone)
            if self.identification is not None:
                telegram.fields[self.identification] = identification
            telegram.name_channels(lines)
            for code, values in lines:
                telegram.put(code, values)
            if not lines:
                raise FrameError("empty", "a telegram without values")
            return [stamp(telegram.fields, telegram.units)]

        return read


def _lines(text: str) -> tuple[str, list[tuple[str, list[str]]]]:
    """The first line, and code and values of each other one; brackets alone on a line belong to the one before."""
    first, *rest = text.splitlines()
    joined: list[str] = []
    for line in rest:
        line = line.strip("\x02 \t")
        if line.startswith("!"):
            break
        if line.startswith("(") and joined:
            joined[-1] += line
        elif line:
            joined.append(line)
    lines: list[tuple[str, list[str]]] = []
    for line in joined:
        found = _LINE.fullmatch(line)
        if not found:
            raise FrameError("line", f"{line[:60]!r} is no code with values in brackets")
        lines.append((found[1].strip().removesuffix("*255"), found[2][1:-1].split(")(")))
    return first.removeprefix("/"), lines


class _Telegram:
    """The fields of one telegram as they are found."""

    def __init__(self, declared: dict[str, ObisField], mbus: MBus | None, zone: ZoneInfo | None) -> None:
        self.fields: dict[str, Any] = {}
        self.units: dict[str, str] = {}
        self._declared, self._mbus, self._zone = declared, mbus, zone
        self._behind = {field.code: field for field in mbus.fields} if mbus else {}
        self._channels: dict[str, str] = {}

    def name_channels(self, lines: list[tuple[str, list[str]]]) -> None:
        """By their types, which may stand behind their values; two of one type are told apart by the channel."""
        if self._mbus is None:
            return
        said = [(found, values) for code, values in lines if (found := _CHANNEL.fullmatch(code))]
        readings = {found[1] for found, values in said if found[2] in self._mbus.values and _measured(values)}
        types = {found[1]: values[0] for found, values in said if found[2] == self._mbus.type}
        # A channel that has a reading goes before one that is only announced, or whose meter was replaced.
        for channel in sorted(types, key=lambda one: (one not in readings, int(one))):
            kind = types[channel].lstrip("0")
            name = self._mbus.names.get(kind, f"mbus_{kind or 0}")
            self._channels[channel] = f"{name}_{channel}" if name in self._channels.values() else name

    def put(self, code: str, values: list[str]) -> None:
        if (found := _CHANNEL.fullmatch(code)) and self._put_channel(found[1], found[2], values):
            return
        bare = code.partition(":")[2] or code
        whole = bare.removesuffix(".255") + ".0"
        field = self._declared.get(code) or self._declared.get(bare) or self._declared.get(whole)
        if field is None or field.name in self.fields:
            name = code if bare in self.fields else bare
            self._store(name, values, "number" if "*" in values[-1] else "text")
        elif field.each is not None:
            self._put_list(field.name, field.each, values)
        else:
            self._store(field.name, values, field.type)

    def _put_channel(self, channel: str, code: str, values: list[str]) -> bool:
        if self._mbus is None:
            return False
        name = self._channels.get(channel, f"mbus_{channel}")
        if code == self._mbus.type:
            return True
        if code in self._mbus.values:
            if "*" not in values[-1] and len(values) > 2:  # version 2 and 3: time, three flags, code, unit, value
                values = [values[0], f"{values[-1]}*{values[-2]}"]
            self._store(name, values, "number")
            return True
        if (field := self._behind.get(code)) is not None:
            self._store(f"{name}_{field.name}", values, field.type)
            return True
        return False

    def _put_list(self, name: str, parts: list[str], values: list[str]) -> None:
        count, *words = values
        if not count.isdecimal():  # no list but values of one moment, or nothing
            if len(words) > 0 and _TIME.fullmatch(count):
                self.fields[f"{name}_timestamp"] = self._time(count)
            for at, word in enumerate(words):
                self._store(f"{name}[{at}]", [word], "number")
            return
        self.fields[name] = int(count)
        while words and (not words[0] or _CODE.fullmatch(words[0])):
            del words[0]
        for row in range(min(int(count), len(words) // len(parts))):
            for part, word in zip(parts, words[row * len(parts) :], strict=False):
                self._store(f"{name}[{row}].{part}", [word], "time" if _TIME.fullmatch(word) else "number")

    def _store(self, name: str, values: list[str], type: str) -> None:
        if len(values) > 1 and _TIME.fullmatch(values[0]) and self._zone is not None:
            self.fields[f"{name}_timestamp"] = self._time(values[0])
        if len(self.fields) > MAX_FIELDS:
            raise FrameError("too large", f"more than {MAX_FIELDS} fields in one telegram")
        word = values[-1]
        if not word:
            self.fields[name] = None
        elif type == "time":
            self.fields[name] = self._time(word)
        elif type == "hex":
            self.fields[name] = _from_hex(word)
        elif type == "text":
            self.fields[name] = word
        else:
            number, _, unit = word.partition("*")
            self.fields[name] = literal.value(number) if number else None
            if unit:
                self.units[name] = unit
                if isinstance(self.fields[name], str):
                    raise FrameError("number", f"{name}: {word[:40]!r} holds no number")

    def _time(self, word: str) -> str | None:
        """In UTC; null or 1970 where the clock has not been set. In the hour that comes twice, S and W tell which."""
        found = _TIME.fullmatch(word)
        if not found:
            raise FrameError("time", f"{word[:40]!r} is no time")
        try:
            local = datetime.strptime(found[1], "%y%m%d%H%M%S").replace(tzinfo=self._zone, fold=found[2] == "W")
            return local.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        except ValueError:
            return None


def _measured(values: list[str]) -> bool:
    """A reading has a unit; a meter that never answered, or no longer does, stands as (700101010000W)(00000000)."""
    return "*" in values[-1] or len(values) > 2


def _from_hex(word: str) -> str:
    """As sent where the digits stand for no printable text."""
    try:
        text = bytes.fromhex(word)
    except ValueError:
        return word
    return text.decode() if text.strip() and all(0x20 <= byte < 0x7F for byte in text) else word
