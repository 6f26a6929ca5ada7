"""What a page shows of a profile at work: a source that uses it, and a captured frame with its reading."""

import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from collector.commands.profiles.decode import as_json
from collector.profiles import Profile
from collector.profiles.cases import Case
from collector.profiles.decode import decode
from collector.profiles.framing.message import MessageFraming
from collector.profiles.framing.modbus import ModbusFraming
from collector.profiles.options import Options

IN_A_ROW = 32
"""Bytes of hex."""


class Example(NamedTuple):
    citation: str
    command: str
    """For bash: text with control characters is quoted its way."""
    output: str


def configuration(profile: Profile, found: Sequence[Case]) -> Iterator[str]:
    """A source that reads the profile's device; port and address are for the reader to change."""
    yield "[sources.mine]"
    match profile.declaration.framing:
        case ModbusFraming():
            yield from ('type = "modbus"', 'port = "/dev/ttyUSB0"             # url = "tcp://gateway" for Modbus TCP')
            yield f'devices = [{{ address = 1, profile = "{profile.id}", name = "mine", interval = "10s" }}]'
        case MessageFraming():
            yield from ('type = "mqtt"', 'url = "mqtt://localhost:1883"')
            yield f'topics = ["{_filter(profile, found)}"]'
            yield f'profile = "{profile.id}"'
        case _:
            yield from ('type = "serial"', 'port = "/dev/ttyUSB0"', f'profile = "{profile.id}"')
            polling = profile.declaration.polling
            if polling is not None and polling.requests and polling.interval is None:
                yield 'interval = "10s"'
            if profile.declaration.serial is None:
                yield "baudrate = 9600                   # the profile names none: the device's own"


def decoded(profile: Profile, found: Sequence[Case]) -> Example | None:
    """The first case that is one reading and nothing else. None where there is no such case."""
    for case in found:
        if len(case.readings) != 1 or case.refused or case.incomplete or case.ignored or case.options != Options():
            continue
        reads = case.reads()
        asked = profile.answering(case.request) if case.request is not None else profile.fresh()
        decoding = decode(asked, reads, case.topic)
        if len(decoding.readings) == 1 and not decoding.garbage_bytes and (profile.cuts_a_stream or len(reads) == 1):
            return Example(
                case.citation, _command(profile, case, b"".join(reads)), as_json(profile, decoding.readings[0]).decode()
            )
    return None


def _command(profile: Profile, case: Case, data: bytes) -> str:
    words = ["edge-collector", "profiles", "decode", profile.id]
    words += ["--topic", shlex.quote(case.topic)] if case.topic is not None else []
    words += ["--request", f'"{case.request.hex(" ")}"'] if case.request is not None else []
    as_text = case.text is not None and data.isascii() and b"\0" not in data
    return " ".join([*words, f"--text {_text(data.decode())}" if as_text else f"--hex {_hex(data)}"])


def _hex(data: bytes) -> str:
    rows = [data[at : at + IN_A_ROW].hex(" ") for at in range(0, len(data), IN_A_ROW)]
    return '"' + "\n  ".join(rows) + '"'


def _text(text: str) -> str:
    """In quotes, a line of it a line."""
    if text.isprintable():
        return shlex.quote(text)
    lines = [line.encode("unicode_escape").decode().replace("'", "\\'") for line in text.splitlines(keepends=True)]
    return "\\\n".join(f"$'{line}'" for line in lines)


def _filter(profile: Profile, found: Iterable[Case]) -> str:
    """Everything below the level that most of the cases' topics begin with."""
    begins = Counter(case.topic.partition("/")[0] for case in found if case.topic is not None and case.readings)
    if begins:
        return f"{begins.most_common(1)[0][0]}/#"
    return "#" if profile.declaration.topics else "sensors/+"
