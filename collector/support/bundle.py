"""The bundle itself: one compressed tar that only its owner may read."""

import io
import os
import tarfile
import time
from pathlib import Path

from collector.config.load import Loaded
from collector.errors import CollectorError
from collector.support.contents import parts
from collector.support.redact import Redactor


def write(loaded: Loaded, output: Path, log: Path | None) -> list[str]:
    """The names in it. Never replaces a file. Raises CollectorError."""
    redact = Redactor.of(loaded)
    contents = [(name, redact(text)) for name, text in parts(loaded, log)]
    try:
        descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise CollectorError(f"{output}: {error.strerror}; choose another file with -o") from error
    try:
        with os.fdopen(descriptor, "wb") as file, tarfile.open(fileobj=file, mode="w:gz") as tar:
            for name, text in contents:
                _add(tar, f"{output.name.removesuffix('.tar.gz')}/{name}", text.encode())
    except OSError as error:
        output.unlink(missing_ok=True)
        raise CollectorError(f"{output}: {error.strerror}; choose another place with -o") from error
    return [name for name, _ in contents]


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode, member.mtime = len(data), 0o600, int(time.time())
    tar.addfile(member, io.BytesIO(data))
