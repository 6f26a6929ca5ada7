import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.config.units import Duration, Size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("5s", 5), ("20ms", 0.02), ("1h", 3600), ("2m", 120), ("2min", 120), ("1.5 d", 129600), ("0s", 0), ("3us", 3e-6)],
)
def test_a_duration_is_seconds(text: str, seconds: float) -> None:
    assert Duration.parse(text) == seconds


@pytest.mark.parametrize(
    ("text", "count"), [("256 MiB", 2**28), ("10MB", 10**7), ("1 B", 1), ("1.5 KiB", 1536), ("2 GB", 2 * 10**9)]
)
def test_a_size_is_bytes(text: str, count: int) -> None:
    assert Size.parse(text) == count


@pytest.mark.parametrize("text", ["5", "s", "-1s", "5 S", "1e3s", "5s 3", "", "٣s", "nans", "5sec", "9" * 400 + "d"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"not a duration|more than any use"):
        Duration.parse(text)


@pytest.mark.parametrize("text", ["5", "5 mb", "-1 B", "MiB", "", "9" * 400 + " GiB"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"not a size|more than any use"):
        Size.parse(text)


@pytest.mark.parametrize("text", ["5s", "20ms", "1h", "2m", "7d", "90s", "0s", "1.5us"])
def test_a_duration_is_written_as_a_person_would(text: str) -> None:
    assert Duration.parse(text).text() == text.replace("1.5us", "0.0000015s")


@given(st.floats(0, 3e9))
def test_every_duration_reads_back_exactly(seconds: float) -> None:
    assert Duration.parse(Duration(seconds).text()) == seconds


@given(st.integers(0, 2**50))
def test_every_size_reads_back_exactly(count: int) -> None:
    assert Size.parse(Size(count).text()) == count
