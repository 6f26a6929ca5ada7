"""What the topic of a message says: whether it is a reading at all, of which device, of which field.

A pattern is written like a topic. `+` stands for one level and `#`, anywhere, for any number of them; `{name}` is one
level and `{name#}` one or more, for use in `device` and `field`.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from collector.errors import FrameError
from collector.profiles.table import Table

MAX_LEVELS = 64
"""A topic of more levels is refused: what a pattern costs grows with them."""

REMEMBERED_LENGTH = 256
"""Characters of a topic that is remembered: topics may have 65535, and a device may invent new ones for ever."""

_NAMED = re.compile(r"\{(\w+)(#?)\}")
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


class TopicRule(Table, frozen=True, kw_only=True):
    """The first rule of which a pattern fits decides."""

    match: str | list[str]
    device: str | None = None
    """The device's identity, made of named levels: "{site}-{name}"."""
    field: str | None = None
    """What a bare value is called, likewise."""
    ignore: bool = False
    """Such messages are no readings; they are acknowledged and counted apart."""

    @property
    def patterns(self) -> list[str]:
        return [self.match] if isinstance(self.match, str) else self.match

    def mistakes(self) -> Iterable[tuple[str, str]]:
        if not self.patterns:
            yield "match", "is empty: give at least one pattern"
        for pattern in self.patterns:
            wrong = [level for level in pattern.split("/") if not _sound(level)]
            names = [name for name, _ in _NAMED.findall(pattern)]
            for level in wrong:
                yield "match", f"{level!r} is no level: write text, +, #, {{name}} or {{name#}}"
            if ("#", "#") in pairwise(pattern.split("/")):
                yield "match", f"{pattern!r} has # twice in a row: one stands for any number of levels already"
            if len(set(names)) < len(names):
                yield "match", f"{pattern!r} names two levels alike"
            for key, template in (("device", self.device), ("field", self.field)):
                for name in _PLACEHOLDER.findall(template or ""):
                    if not wrong and name not in names:
                        yield key, f"{{{name}}} is no named level of {pattern!r}"
        if self.ignore and (self.device is not None or self.field is not None):
            yield "ignore", "means that nothing is read, so device and field have no use"


class Place(NamedTuple):
    """What a topic says."""

    ignored: bool
    device: str | None
    field: str | None


def reader(rules: Sequence[TopicRule]) -> Callable[[str], Place]:
    """Looks a topic up. Raises FrameError for a topic that no rule knows."""
    compiled = [(re.compile(_expression(one), re.DOTALL), rule) for rule in rules for one in rule.patterns]

    @lru_cache(maxsize=4096)
    def read(topic: str) -> Place | None:
        if topic.count("/") >= MAX_LEVELS:
            return None
        for pattern, rule in compiled:
            if found := pattern.fullmatch(topic):
                levels = found.groupdict()
                return Place(rule.ignore, _filled(rule.device, levels), _filled(rule.field, levels))
        return None

    def place(topic: str) -> Place:
        found = read(topic) if len(topic) <= REMEMBERED_LENGTH else read.__wrapped__(topic)
        if found is None:
            raise FrameError("topic", f"{topic} is none of the topics this profile reads")
        return found

    return place


def overlaps(pattern: str, topic_filter: str) -> bool:
    """Whether a subscription to the filter can bring a topic that fits the pattern."""
    if topic_filter.count("/") >= MAX_LEVELS:
        return False
    plain = _NAMED.sub(lambda found: "+/#" if found[2] else "+", pattern)
    return _overlap(tuple(plain.split("/")), tuple(topic_filter.split("/")))


@lru_cache(maxsize=4096)
def _overlap(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    if not one or not other:
        return set(one or other) <= {"#"}
    if one[0] == "#":
        return _overlap(one[1:], other) or _overlap(one, other[1:])
    if other[0] == "#":
        return _overlap(other, one)
    return (one[0] == other[0] or "+" in (one[0], other[0])) and _overlap(one[1:], other[1:])


def _sound(level: str) -> bool:
    return level in ("+", "#") or bool(_NAMED.fullmatch(level)) or not set("+#{}\0") & set(level)


def _expression(pattern: str) -> str:
    """As a regular expression; a `#` takes the slash beside it along, for it may stand for no level at all."""
    levels = pattern.split("/")
    parts: list[str] = []
    for at, level in enumerate(levels):
        last = at == len(levels) - 1
        if level == "#":
            if last and parts:
                parts[-1] = parts[-1].removesuffix("/")
                parts.append("(?:/.*)?")
            else:
                parts.append(".*" if last else "(?:.*/)?")
            continue
        if named := _NAMED.fullmatch(level):
            one = f"(?P<{named[1]}>[^/]+(?:/[^/]+)*)" if named[2] else f"(?P<{named[1]}>[^/]+)"
        else:
            one = "[^/]*" if level == "+" else re.escape(level)
        parts.append(one if last else one + "/")
    return "".join(parts)


def _filled(template: str | None, levels: dict[str, str]) -> str | None:
    return None if template is None else _PLACEHOLDER.sub(lambda found: levels[found[1]], template)
