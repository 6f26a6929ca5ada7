"""The configuration's files: the named one, then `conf.d/*.toml` beside it, merged key by key."""

import os
import re
import stat
import tomllib
from pathlib import Path
from typing import Any, NamedTuple

from collector.config.findings import Findings, Key

_MOST_BYTES = 1024 * 1024
_DEEPEST = 16
"""Far below what Python's own stack bears, so that whatever walks the tables later may recurse."""
_POSITION = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")


class Document(NamedTuple):
    """All files as one."""

    tables: dict[str, Any]
    complete: bool
    """False when a file could not be read, so that a key not found here may stand there."""


def read_files(path: Path, findings: Findings) -> Document:
    """Merges all files; what cannot be read becomes a mistake in `findings`."""
    merged: dict[str, Any] = {}
    text = _text(path, path.name, findings)
    if text is None:
        return Document(merged, complete=False)
    parts: list[tuple[str, str | None]] = [(path.name, text)]
    for part in _drop_ins(path.parent / "conf.d", findings):
        name = f"conf.d/{part.name}"
        parts.append((name, _text(part, name, findings)))
    complete = True
    for name, content in parts:
        tables = None if content is None else _parse(content, name, findings)
        _merge(merged, tables or {}, (), name, findings.origins)
        complete = complete and tables is not None
    return Document(merged, complete)


def _drop_ins(folder: Path, findings: Findings) -> list[Path]:
    try:
        files = sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        findings.unreadable("conf.d", f"cannot be read ({error.strerror}); give the collector's user access")
        return []
    # Hidden files are what editors and package tools leave behind.
    return [file for file in files if file.suffix == ".toml" and not file.name.startswith(".")]


def _text(path: Path, name: str, findings: Findings) -> str | None:
    try:
        # Without O_NONBLOCK a FIFO in the file's place would hold the start-up for ever.
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise ValueError("it is no regular file")
            data = file.read(_MOST_BYTES + 1)
    except FileNotFoundError:
        findings.unreadable(name, f"no such file in {path.parent}; write it, or name another one with -c")
    except IsADirectoryError:
        findings.unreadable(name, "is a directory; name the TOML file itself")
    except PermissionError:
        findings.unreadable(name, "may not be read; give the collector's user read access")
    except (OSError, ValueError) as error:
        findings.unreadable(name, f"cannot be read ({error}); name a readable TOML file")
    else:
        if len(data) > _MOST_BYTES:
            findings.unreadable(name, "is larger than 1 MiB; this is no configuration file")
            return None
        try:
            return data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            findings.unreadable(f"{name}:{line}", "is not UTF-8; save the file in that encoding")
    return None


def _parse(text: str, name: str, findings: Findings) -> dict[str, Any] | None:
    try:
        tables = tomllib.loads(text)
        if _depth_exceeds(_DEEPEST, tables):
            raise RecursionError
        return tables
    except tomllib.TOMLDecodeError as error:
        fault = str(error)
        position = _POSITION.search(fault)
        line = (position and position[1]) or text.count("\n") + (not text.endswith("\n"))
        fault = _POSITION.sub("", fault)
        findings.unreadable(f"{name}:{line}", f"is not valid TOML ({fault}); correct this line")
    except RecursionError:
        findings.unreadable(name, "is nested too deeply; this is no configuration file")
    except ValueError:
        # The parser's own limits: a number of thousands of digits.
        findings.unreadable(name, "holds a number too long to read; correct it")
    return None


def _depth_exceeds(levels: int, table: dict[str, Any]) -> bool:
    inner = (value for value in table.values() if isinstance(value, dict))
    return levels == 0 or any(_depth_exceeds(levels - 1, value) for value in inner)


def _merge(into: dict[str, Any], tables: dict[str, Any], at: Key, file: str, origins: dict[Key, str]) -> None:
    for name, value in tables.items():
        key = (*at, name)
        origins[key] = file
        if isinstance(value, dict):
            known = into.get(name)
            if not isinstance(known, dict):
                known = into[name] = {}
            _merge(known, value, key, file, origins)
        else:
            into[name] = value
