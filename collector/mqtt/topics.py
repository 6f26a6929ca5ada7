"""Topic names and topic filters, MQTT 5 §4.7. Pure."""

from itertools import zip_longest

LONGEST = 65535
"""Bytes of UTF-8 in a topic name or filter, MQTT 5 §1.5.4."""

_ESCAPES = str.maketrans({character: f"%{ord(character):02X}" for character in "%+#/\0"})


def valid_topic(text: str) -> bool:
    """Whether one can publish to `text`."""
    return _encodable(text) and "+" not in text and "#" not in text


def valid_filter(text: str) -> bool:
    """Whether one can subscribe to `text`, `$share/group/filter` included (§4.8.2)."""
    if text.startswith("$share/"):
        parts = text.split("/", 2)
        if len(parts) < 3 or not parts[1] or "+" in parts[1] or "#" in parts[1] or not parts[2]:
            return False
    if not _encodable(text):
        return False
    levels = text.split("/")
    return all(
        level == "+" or (level == "#" and place == len(levels) - 1) or ("+" not in level and "#" not in level)
        for place, level in enumerate(levels)
    )


def matches(topic_filter: str, topic: str) -> bool:
    """Whether a subscription to `topic_filter` gets what is published to `topic`."""
    # A topic is a filter without wildcards, and it overlaps with exactly the filters that match it.
    return overlap(topic_filter, topic)


def overlap(filter_a: str, filter_b: str) -> bool:
    """Whether there is a topic that both filters match, so that a broker may deliver it twice."""
    levels_a, levels_b = _levels(filter_a), _levels(filter_b)
    if _hidden(levels_a, levels_b) or _hidden(levels_b, levels_a):
        return False
    for a, b in zip_longest(levels_a, levels_b):
        if a == "#" or b == "#":
            return True
        if a is None or b is None or (a != b and a != "+" and b != "+"):
            return False
    return True


def captures(topic_filter: str, topic: str) -> list[str]:
    """What the wildcards stand for, in order: a level for `+`, all that is left (joined with `/`) for `#`.

    `#` also matches the level above it and then stands for nothing: an empty string. ValueError when the
    filter does not match.
    """
    if not matches(topic_filter, topic):
        raise ValueError(f"{topic_filter!r} does not match {topic!r}")
    levels = topic.split("/")
    return [
        "/".join(levels[place:]) if level == "#" else levels[place]
        for place, level in enumerate(_levels(topic_filter))
        if level in ("+", "#")
    ]


def escape_level(name: str) -> str:
    """`name` as one topic level: `% + # /` and U+0000 become %25 %2B %23 %2F %00."""
    return name.translate(_ESCAPES)


def unshared(topic_filter: str) -> str:
    """The filter that a shared subscription is to."""
    return topic_filter.split("/", 2)[-1] if topic_filter.startswith("$share/") else topic_filter


def _levels(topic_filter: str) -> list[str]:
    return unshared(topic_filter).split("/")


def _hidden(wildcard: list[str], other: list[str]) -> bool:
    """A wildcard in the first level does not reach topics that begin with `$` [MQTT-4.7.2-1]."""
    return wildcard[0] in ("+", "#") and other[0].startswith("$")


def _encodable(text: str) -> bool:
    try:
        return 0 < len(text.encode()) <= LONGEST and "\0" not in text
    except UnicodeEncodeError:
        return False
