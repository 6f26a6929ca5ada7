"""What is wrong with a configuration: every finding names the file, the key, the fault and the remedy."""

import json
import re
from typing import NamedTuple

Key = tuple[str | int, ...]
"""Where a value stands: table and key names; a number is a position in an array."""

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]{1,80}")


class Finding(NamedTuple):
    """One line: `FILE: KEY.PATH: what is wrong; what to do`."""

    file: str
    key: Key
    text: str

    def __str__(self) -> str:
        return ": ".join(part for part in (self.file, dotted(self.key), self.text) if part)


class Findings:
    """Mistakes and warnings, in the order they were found."""

    def __init__(self, main_file: str) -> None:
        self.main_file = main_file
        self.origins: dict[Key, str] = {}
        """The file that had the last word on each key and table."""
        self.mistakes: list[Finding] = []
        self.warnings: list[Finding] = []
        self._malformed: list[Key] = []

    def malformed(self, key: Key, text: str) -> None:
        """A mistake of form: unknown, missing, or of the wrong type."""
        self._malformed.append(key)
        self.mistakes.append(Finding(self.file_of(key), key, text))

    def mistake(self, key: Key, text: str) -> None:
        """A mistake of meaning; silent where the form is wrong, since a default stands there instead."""
        finding = Finding(self.file_of(key), key, text)
        # Once is enough for what each of several URLs has in common.
        if finding not in self.mistakes and not self.is_malformed(key):
            self.mistakes.append(finding)

    def is_malformed(self, key: Key) -> bool:
        """Whether a mistake of form is known at this key, above it or below it."""
        return any(key[: len(bad)] == bad[: len(key)] for bad in self._malformed)

    def warn(self, key: Key, text: str) -> None:
        finding = Finding(self.file_of(key), key, text)
        if finding not in self.warnings:
            self.warnings.append(finding)

    def unreadable(self, file: str, text: str) -> None:
        """A mistake of a whole file; `file` may carry a line number."""
        self.mistakes.append(Finding(file, (), text))

    def file_of(self, key: Key) -> str:
        """A key that stands nowhere belongs to the file that wrote the table around it."""
        while key and key not in self.origins:
            key = key[:-1]
        return self.origins.get(key, self.main_file)


def dotted(key: Key) -> str:
    """The key as one writes it in TOML, with `[0]` for a position in an array."""
    text = ""
    for part in key:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            # Quoted, a name with a line break or an escape sequence does not break the one line.
            text += ("." if text else "") + (part if _BARE_KEY.fullmatch(part) else quoted(part))
    return text


def quoted(value: str | int) -> str:
    """A value for a message: on one line, and no longer than a person reads."""
    if isinstance(value, int):
        return str(value) if abs(value) < 10**20 else "the number"
    text = json.dumps(value, ensure_ascii=not value.isprintable())
    return text if len(text) <= 80 else f'{text[:76]}..."'


def matches(pattern: str, key: Key) -> bool:
    """`sinks.*.urls` matches the key of that name in every sink."""
    parts = pattern.split(".")
    return len(parts) == len(key) and all(p in ("*", k) for p, k in zip(parts, key, strict=True))
