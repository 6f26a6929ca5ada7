"""Captures: what came in, byte for byte and when, a JSON line for each read or message.

`run --record` writes them, `replay` sources read them. The first line says what was recorded.
"""

import errno
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, NamedTuple

import msgspec

from collector.errors import ConfigurationError

MOST_BYTES = 1 << 30
"""Of one capture, which then ends: a recording that was forgotten must not take the disk."""


LONGEST_LINE = 128 << 20
"""Bytes; a message of 16 MiB, every byte of it escaped, has fewer."""


class Head(msgspec.Struct, tag_field="capture", tag="1"):
    source: str
    profile: str
    messages: bool
    """Each piece is a whole message; else it is what one read of a line brought."""
    started: str


class _Line(msgspec.Struct, omit_defaults=True):
    t: float
    topic: str | None = None
    text: str | None = None
    hex: str | None = None
    """Instead of text, where the bytes are no UTF-8."""


class Piece(NamedTuple):
    """One read of a line, or one message."""

    t: float
    """Seconds since the recording began."""
    topic: str | None
    data: bytes


_encode = msgspec.json.Encoder().encode
_head = msgspec.json.Decoder(Head)
_line = msgspec.json.Decoder(_Line)


class Recorder:
    """Appends to one capture, each piece in one write."""

    def __init__(self, folder: Path, source: str, profile: str, messages: bool, started: float) -> None:
        """`started` is the monotonic time from which pieces are counted. Raises ConfigurationError."""
        self.trouble = ""
        self.messages = messages
        self._started = started
        self._written = 0
        now = datetime.now(UTC)
        self.path = folder / f"{source}-{now:%Y%m%dT%H%M%S.%fZ}.jsonl"
        try:
            self._file: BinaryIO | None = self.path.open("xb", buffering=0)
            self._write(Head(source, profile, messages, now.isoformat(timespec="seconds")))
        except OSError as error:
            raise ConfigurationError([f"--record {self.path}: {error.strerror}; name another directory"]) from None

    def record(self, data: bytes, topic: str | None, now: float) -> bool:
        """Whether it goes on: a disk that is full ends the recording, `trouble` says so, and nothing else suffers."""
        if self._file is None:
            return False
        try:
            text, raw = data.decode(), None
        except UnicodeDecodeError:
            text, raw = None, data.hex()
        try:
            self._write(_Line(round(now - self._started, 6), topic, text, raw))
        except OSError as error:
            self._end(str(error.strerror))
        else:
            if self._written > MOST_BYTES:
                self._end(f"{MOST_BYTES >> 20} MiB recorded")
        return self._file is not None

    def _write(self, line: Head | _Line) -> None:
        assert self._file is not None
        encoded = _encode(line) + b"\n"
        self._written += len(encoded)
        if self._file.write(encoded) != len(encoded):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _end(self, trouble: str) -> None:
        assert self._file is not None
        self.trouble = trouble
        self._file.close()
        self._file = None


def read_head(path: Path) -> Head:
    """Raises ConfigurationError where the file cannot be read or is no capture."""
    try:
        if path.exists() and not path.is_file():
            raise ConfigurationError([f"{path}: is no file"])  # opening a FIFO would wait for ever
        with path.open("rb") as file:
            return _head.decode(file.readline(1 << 16))
    except OSError as error:
        raise ConfigurationError([f"{path}: {error.strerror}"]) from None
    except (msgspec.MsgspecError, RecursionError):
        raise ConfigurationError([f"{path}: is no capture that run --record has written"]) from None


def pieces(path: Path) -> Iterator[Piece]:
    """In order. A torn last line ends it; raises OSError, and ValueError with the number of a line that is wrong."""
    with path.open("rb") as file:
        for number, line in enumerate(iter(lambda: file.readline(LONGEST_LINE), b""), 1):
            if len(line) == LONGEST_LINE:
                raise ValueError(f"line {number}: longer than {LONGEST_LINE >> 20} MiB")
            if number == 1 or not line.endswith(b"\n"):
                continue
            try:
                one = _line.decode(line)
                data = bytes.fromhex(one.hex) if one.hex is not None else (one.text or "").encode()
            except (ValueError, RecursionError, msgspec.MsgspecError) as error:
                raise ValueError(f"line {number}: {error}") from None
            yield Piece(one.t, one.topic, data)
