"""What every reason code of MQTT 5 table 2-6 means for a message and for a connection."""

from typing import Final

import pytest

from collector.mqtt import reason
from collector.mqtt.errors import SessionError

TABLE_2_6: Final = {
    *(0x00, 0x01, 0x02, 0x04, 0x10, 0x11, 0x18, 0x19),
    *range(0x80, 0xA3),
}

MESSAGE: Final = {
    "taken": {0x00, 0x10},
    "dead": {0x90},
    "too large": {0x95, 0x99},
    "hold": {0x84, 0x85, 0x86, 0x87, 0x8A, 0x8C, 0x8F, 0x9A, 0x9B, 0x9D, 0x9E, 0xA1, 0xA2},
}
CONNECTION: Final = {
    "hold": {0x84, 0x85, 0x86, 0x87, 0x8A, 0x8C, 0x8F, 0x90, 0x99, 0x9A, 0x9B, 0x9D, 0x9E, 0xA1, 0xA2},
    "slow": {0x81, 0x82, 0x89, 0x8E, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x9C, 0x9F},
}


def test_the_table_is_the_specifications() -> None:
    assert set(reason.CODES) == TABLE_2_6
    assert len({code.name for code in reason.CODES.values()}) == len(TABLE_2_6)
    assert reason.describe(0x8E) == "Session taken over (0x8E)"


@pytest.mark.parametrize("code", sorted(TABLE_2_6))
def test_every_code_is_classified(code: int) -> None:
    assert reason.of_message(code) == next((verdict for verdict, codes in MESSAGE.items() if code in codes), "retry")
    assert reason.of_connection(code) == next((way for way, codes in CONNECTION.items() if code in codes), "retry")


def test_what_nobody_specified_gives_nothing_up() -> None:
    assert reason.describe(0xFE) == "Unknown reason (0xFE)"
    for code in (0xFE, 0x7F, None):
        assert (reason.of_message(code), reason.of_connection(code)) == ("retry", "retry")


@pytest.mark.parametrize(("code", "hold", "delay"), [(0x9D, True, 0), (0x8E, False, reason.SLOW), (0x8B, False, 0)])
def test_an_error_says_when_to_try_again(code: int, hold: bool, delay: float) -> None:
    error = SessionError("gone", code)
    assert (error.hold, error.delay) == (hold, delay)
