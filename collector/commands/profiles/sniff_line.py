"""A serial line, listened to."""

import argparse
import os
import select
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import msgspec

from collector.commands.profiles.candidates import Candidate, loaded
from collector.commands.profiles.folders import DONE
from collector.commands.profiles.output import Output
from collector.errors import ConfigurationError, SourceError
from collector.profiles import Profile, SerialSettings
from collector.sources.tty import open_port

DEFAULT_BAUDRATE = 9600


def listen(arguments: argparse.Namespace, folders: Sequence[Path], profile: Profile | None) -> int:
    """Raises ConfigurationError for a profile or a baud rate that does not do, SourceError for a port."""
    if profile is not None and not profile.cuts_a_stream:
        raise ConfigurationError([f"--profile: {profile.id} reads MQTT messages; give a broker's URL"])
    settings = _settings(profile, arguments.baudrate)
    tried = [Candidate(one) for one in loaded(folders) if one.cuts_a_stream] if profile is None else []
    framer = profile.framer() if profile is not None else None
    output, start, refused = Output(), time.monotonic(), 0
    save = _open(arguments.save)
    try:
        for data in _reads(arguments.where, settings, arguments.seconds):
            save.write(data)
            output.data(time.monotonic() - start, data)
            for one in tried:
                one.feed(data)
            if framer is None or profile is None:
                continue
            for frame in framer.feed(data):
                output.frame(profile, frame)
            if framer.refused.total() > refused:
                refused = framer.refused.total()
                said = ", ".join(f"{reason} {count}" for reason, count in framer.refused.items())
                output.say(f"    refused so far: {said}", "red")
    except KeyboardInterrupt:
        pass
    finally:
        save.close()
    if profile is None:
        for one in tried:
            one.end()
        output.suggest(tried)
        if not any(one.readings for one in tried):
            output.say(f"Listened at {settings.baudrate} baud; --baudrate tries another.")
    return DONE


def _open(file: Path | None) -> BinaryIO:
    """Where the bytes are kept. Raises ConfigurationError for a file that is there, or cannot be made."""
    if file is None:
        return Path(os.devnull).open("wb", buffering=0)
    try:
        return file.open("xb", buffering=0)
    except OSError as error:
        raise ConfigurationError([f"--save {file}: {error.strerror}; name another file"]) from None


def _settings(profile: Profile | None, baudrate: int | None) -> SerialSettings:
    if baudrate is not None and not 50 <= baudrate <= 4_000_000:
        raise ConfigurationError([f"--baudrate: {baudrate} is not between 50 and 4000000"])
    if profile is None or profile.serial is None:
        return SerialSettings(baudrate=baudrate or DEFAULT_BAUDRATE)
    return profile.serial if baudrate is None else msgspec.structs.replace(profile.serial, baudrate=baudrate)


def _reads(port: str, settings: SerialSettings, seconds: float | None) -> Iterator[bytes]:
    """What comes, read by read, for so many seconds. Raises SourceError."""
    with open_port(port, settings) as line:
        end = time.monotonic() + seconds if seconds is not None else None
        while end is None or time.monotonic() < end:
            left = None if end is None else max(0.0, end - time.monotonic())
            if not select.select([line.fileno()], [], [], left)[0]:
                continue
            try:
                data = os.read(line.fileno(), 4096)
            except OSError as error:
                raise SourceError(f"{port}: unplugged or hung up ({error.strerror})") from error
            if not data:
                raise SourceError(f"{port}: unplugged or hung up")
            yield data
