"""Topic names and filters; overlap is checked against matching itself."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.mqtt.topics import captures, escape_level, matches, overlap, valid_filter, valid_topic

LEVELS = st.sampled_from(["", "a", "b", "$x"])
TOPICS = st.lists(LEVELS, min_size=1, max_size=4).map("/".join).filter(bool)
FILTERS = st.builds(
    lambda levels, rest: "/".join(levels + rest),
    st.lists(st.one_of(LEVELS, st.just("+")), min_size=1, max_size=3),
    st.sampled_from([[], ["#"]]),
).filter(bool)


@pytest.mark.parametrize(
    ("topic_filter", "topic", "expected"),
    [
        # MQTT 5 §4.7.1 and §4.7.2, the examples of the specification.
        ("sport/tennis/player1/#", "sport/tennis/player1", True),
        ("sport/tennis/player1/#", "sport/tennis/player1/ranking", True),
        ("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", True),
        ("sport/#", "sport", True),
        ("sport/tennis/+", "sport/tennis/player1", True),
        ("sport/tennis/+", "sport/tennis/player1/ranking", False),
        ("sport/+", "sport", False),
        ("sport/+", "sport/", True),
        ("+/+", "/finance", True),
        ("/+", "/finance", True),
        ("+", "/finance", False),
        ("#", "$SYS/monitor/Clients", False),
        ("+/monitor/Clients", "$SYS/monitor/Clients", False),
        ("$SYS/#", "$SYS/monitor", True),
        ("$SYS/monitor/+", "$SYS/monitor/Clients", True),
        ("ACCOUNTS", "Accounts", False),
        ("$share/group/a/+", "a/b", True),
        ("a/b", "a/b", True),
        ("a/b", "a", False),
        ("a/b", "a/b/c", False),
    ],
)
def test_matches(topic_filter: str, topic: str, expected: bool) -> None:
    assert matches(topic_filter, topic) is expected


@pytest.mark.parametrize("text", ["a", "/", "+", "#", "a/+/b", "+/tennis/#", "a/#", "$share/g/#", "a b/ü", "//"])
def test_valid_filters(text: str) -> None:
    assert valid_filter(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a#",
        "a/#/b",
        "#/a",
        "a+",
        "+a/b",
        "a\0b",
        "\ud800",
        "x" * 65536,
        "$share/g",
        "$share//a",
        "$share/g+/a",
        "$share/g/",
    ],
)
def test_invalid_filters(text: str) -> None:
    assert not valid_filter(text)


def test_a_topic_is_a_filter_without_wildcards() -> None:
    assert valid_topic("a/b")
    assert not any(map(valid_topic, ["", "a/+", "#", "a\0", "\udc80"]))


@given(FILTERS, FILTERS, TOPICS)
def test_filters_that_both_match_a_topic_overlap(a: str, b: str, topic: str) -> None:
    assert overlap(a, b) == overlap(b, a)
    if matches(a, topic) and matches(b, topic):
        assert overlap(a, b)


@given(FILTERS, FILTERS)
def test_overlapping_filters_have_a_topic_in_common(a: str, b: str) -> None:
    # These two meet only in the empty topic, which does not exist; overlap does not split that hair.
    if overlap(a, b) and {a, b} != {"/#", "+"}:
        assert any(matches(a, topic) and matches(b, topic) for topic in _witnesses(a, b))


def _witnesses(a: str, b: str) -> list[str]:
    """Topics that take, level by level, what either filter insists on, `w` where both leave it open."""
    levels_a, levels_b = a.split("/"), b.split("/")
    longest = max(len(levels_a), len(levels_b))
    levels = []
    for place in range(longest):
        here = [levels[place] for levels in (levels_a, levels_b) if place < len(levels)]
        literal = [level for level in here if level not in ("+", "#")]
        levels.append(literal[0] if literal else "w")
    return ["/".join(levels), "/".join(levels[:-1]) or "w"]


@pytest.mark.parametrize(
    ("topic_filter", "topic", "expected"),
    [
        ("a/b", "a/b", []),
        ("zigbee2mqtt/+", "zigbee2mqtt/lamp", ["lamp"]),
        ("+/x/+", "a/x/b", ["a", "b"]),
        ("+/#", "a/b/c", ["a", "b/c"]),
        ("a/#", "a", [""]),
        ("$share/g/+/up", "dev/up", ["dev"]),
    ],
)
def test_captures(topic_filter: str, topic: str, expected: list[str]) -> None:
    assert captures(topic_filter, topic) == expected


def test_captures_of_another_topic() -> None:
    with pytest.raises(ValueError, match="does not match"):
        captures("a/+", "b/c")


@given(st.text(), st.text())
def test_an_escaped_name_is_one_level_and_unique(name: str, other: str) -> None:
    level = escape_level(name)
    assert not set(level) & set("+#/\0")
    assert (level == escape_level(other)) == (name == other)


def test_escapes_are_legible() -> None:
    assert escape_level("living room/temp+hum#1%\0") == "living room%2Ftemp%2Bhum%231%25%00"
