"""A payload's time: exact to what was sent, None for what is none."""

from typing import Any

import pytest

from collector.profiles.payload.instant import TimeUnit, instant, time_zone


@pytest.mark.parametrize(
    ("unit", "value", "ns"),
    [
        ("s", 1351824120, 1351824120_000_000_000),
        ("s", 1351824120.123, 1351824120_123_000_000),
        ("ms", 1351824120123, 1351824120_123_000_000),
        ("ms", 1351824120123.25, 1351824120_123_250_000),
        ("us", 1351824120123456, 1351824120_123_456_000),
        ("ns", 1351824120123456789, 1351824120_123_456_789),
        ("iso8601", "2012-11-02T02:42:00Z", 1351824120_000_000_000),
        ("iso8601", "2012-11-02T04:42:00.123456+02:00", 1351824120_123_456_000),
    ],
)
def test_times(unit: TimeUnit, value: Any, ns: int) -> None:
    assert instant(unit)(value) == ns


@pytest.mark.parametrize(
    ("value", "hour"),
    [
        ("2022-07-01T12:00:00", 10),
        ("2022-01-01T12:00:00", 11),
        ("2022-10-30T02:30:00", 0),  # comes twice
        ("2022-07-01T12:00:00Z", 12),
        ("2022-07-01T12:00:00-01:00", 13),
    ],
)
def test_times_of_a_zone_that_is_told(value: str, hour: int) -> None:
    ns = instant("iso8601", time_zone("Europe/Amsterdam"))(value)
    assert ns is not None and ns // 3_600_000_000_000 % 24 == hour


@pytest.mark.parametrize("name", ["", "Amsterdam", "../etc", "Europe"])
def test_zones_that_are_none(name: str) -> None:
    with pytest.raises(ValueError, match="name one such as"):
        time_zone(name)


@pytest.mark.parametrize(
    ("unit", "value"),
    [
        ("s", None),
        ("s", True),
        ("s", "1351824120"),
        ("s", 0),
        ("s", -1.5),
        ("s", 1e300),
        ("s", 10**12),
        ("ns", 2**63),
        ("iso8601", 1351824120),
        ("iso8601", "yesterday"),
        ("iso8601", "2017-02-16T10:13:52"),  # Tasmota sends local time without a zone
        ("iso8601", "1969-12-31T23:59:59Z"),
        ("iso8601", "0001-01-01T00:00:00+23:00"),
        ("iso8601", "9999-12-31T23:59:59-23:00"),
    ],
)
def test_no_times(unit: TimeUnit, value: Any) -> None:
    assert instant(unit)(value) is None
