"""Topics: which rule decides, what its levels name, and which filters can bring anything."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.errors import FrameError
from collector.mqtt import topics as mqtt
from collector.profiles import builtin_folder, load
from collector.profiles.topics import Place, TopicRule, overlaps, reader


def place(pattern: str, topic: str, device: str | None = None) -> Place | None:
    try:
        return reader([TopicRule(match=pattern, device=device)])(topic)
    except FrameError as error:
        assert error.reason == "topic"
        return None


@pytest.mark.parametrize(
    ("pattern", "topic", "fits"),
    [
        ("a/b", "a/b", True),
        ("a/b", "a/b/c", False),
        ("a.b", "axb", False),
        ("a/+", "a/", True),
        ("a/+", "a", False),
        ("a/#", "a", True),
        ("a/#", "a/b/c", True),
        ("a/#", "ab", False),
        ("#/b", "b", True),
        ("#/b", "a/a/b", True),
        ("#/b", "ab", False),
        ("a/#/b", "a/b", True),
        ("a/#/b", "a/x/y/b", True),
        ("a/#/b", "a/xb", False),
        ("#", "anything/at/all", True),
        ("{n}/x", "/x", False),
        ("{n#}/x", "a//x", False),
        ("a\n/{n}", "a\n/\n", True),
    ],
)
def test_patterns(pattern: str, topic: str, fits: bool) -> None:
    assert (place(pattern, topic) is not None) is fits


def test_levels_are_named() -> None:
    rule = TopicRule(match=["{site#}/{kind}/{id}/state", "{kind}/{id}"], device="{kind}-{id}", field="of {id}")
    read = reader([TopicRule(match="#/debug", ignore=True), rule])
    assert read("a/b/sensor/t/state") == Place(False, "sensor-t", "of t")
    assert read("sensor/t") == Place(False, "sensor-t", "of t")
    assert read("a/debug") == Place(True, None, None)


def test_a_long_topic_is_read_like_any_other() -> None:
    for name in ("x" * 300, "y" * 60_000):
        assert place("a/{n}", f"a/{name}", "{n}") == Place(False, name, None)


def test_a_topic_of_too_many_levels_is_refused_at_once() -> None:
    assert not overlaps("#", "a/" * 30_000 + "#")
    assert place("{a#}/tele/{b#}/SENSOR", "tele/" * 30_000 + "x") is None
    assert place("#", "a/" * 63 + "a") is not None
    assert place("#", "a/" * 64 + "a") is None


PARTS = st.lists(st.sampled_from(["a", "b", "+", "#", "{x}", "{y#}"]), min_size=1, max_size=5, unique=True)
TOPICS = st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=6).map("/".join)


@given(PARTS.map("/".join), TOPICS)
def test_a_topic_that_fits_is_one_a_filter_can_bring(pattern: str, topic: str) -> None:
    assert overlaps(pattern, topic) is (place(pattern, topic) is not None)


@given(PARTS.map("/".join), st.lists(st.sampled_from("ab+"), min_size=1, max_size=4), st.booleans(), TOPICS)
def test_overlap_with_a_filter(pattern: str, levels: list[str], deep: bool, topic: str) -> None:
    topic_filter = "/".join([*levels, "#"] if deep else levels)
    if mqtt.matches(topic_filter, topic) and place(pattern, topic) is not None:
        assert overlaps(pattern, topic_filter)


@pytest.mark.parametrize(
    ("id", "topic_filter", "reads"),
    [
        ("tasmota", "tele/+/SENSOR", True),
        ("tasmota", "home/tele/#", True),
        ("tasmota", "tele/+/LWT", False),
        ("tasmota", "zigbee2mqtt/+", False),
        ("esphome", "+/sensor/+/state", True),
        ("esphome", "livingroom/debug", False),
        ("zigbee2mqtt", "zigbee2mqtt/#", True),
        ("zigbee2mqtt", "zigbee2mqtt", False),
        ("json-lines", "anything", True),
    ],
)
def test_what_a_profile_reads(id: str, topic_filter: str, reads: bool) -> None:
    assert load(id, [builtin_folder()]).reads(topic_filter) is reads


def test_without_a_topic_a_payload_is_read_all_the_same() -> None:
    [reading] = load("tasmota", [builtin_folder()]).decode(b'{"ENERGY":{"Power":1}}')
    assert (reading.device, reading.fields) == (None, {"ENERGY.Power": 1})


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (TopicRule(match=[]), "match is empty"),
        (TopicRule(match="a/b+"), "match 'b+' is no level"),
        (TopicRule(match="{x"), "match '{x' is no level"),
        (TopicRule(match="a/#/#"), "match 'a/#/#' has # twice in a row"),
        (TopicRule(match="{x}/{x#}"), "match '{x}/{x#}' names two levels alike"),
        (TopicRule(match=["{x}/a", "{y}/b"], device="{x}"), "device {x} is no named level of '{y}/b'"),
        (TopicRule(match="{x}", field="{}"), "field {} is no named level"),
        (TopicRule(match="a", ignore=True, device="x"), "ignore means that nothing is read"),
    ],
)
def test_mistakes(rule: TopicRule, said: str) -> None:
    [(key, text)] = rule.mistakes()
    assert re.match(re.escape(said), f"{key} {text}")
