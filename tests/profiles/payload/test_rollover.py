"""Counters that begin anew: told from a device that was restarted, and one device from another."""

import msgspec
import pytest

from collector.profiles.payload.binary import BinaryField, BinaryPayload
from collector.profiles.payload.rollover import MAX_DEVICES
from collector.profiles.table import read


def payload(**field: object) -> BinaryPayload:
    mistakes: list[str] = []
    declared = {
        "type": "binary",
        "fields": [{"name": "n", "at": 1, "type": "u8", "rollover": True, **field}],
        "device": {"at": 0, "length": 1},
    }
    made = read(declared, BinaryPayload, mistakes)
    assert made is not None and not mistakes, mistakes
    return made


def test_a_round_is_counted_on_and_a_small_step_back_is_a_new_beginning() -> None:
    read_frame = payload(scale=0.5).reader()
    values = [read_frame(bytes([1, raw]))[0].fields["n"] for raw in (0, 250, 250, 4, 200, 199, 3)]
    assert values == [0, 125, 125, 130, 228, 99.5, 129.5]


def test_devices_count_each_for_itself_and_a_missing_value_does_not() -> None:
    read_frame = payload(sentinel=255).reader()
    frames = [(1, 250), (2, 10), (1, 255), (1, 5), (2, 11)]
    assert [read_frame(bytes(one))[0].fields["n"] for one in frames] == [250, 10, None, 261, 11]


def test_what_is_remembered_is_bounded() -> None:
    declared = msgspec.structs.replace(payload(), device=None)
    field = BinaryField(name="n", at=2, type="u8", rollover=True)
    read_value = field.read_from(0, lambda frame: frame[:2].hex())
    assert declared.reader()(b"\0\1")[0].fields == {"n": 1}
    assert read_value(b"\0\0\xff") == 255
    for other in range(1, MAX_DEVICES + 1):
        read_value(other.to_bytes(2, "big") + b"\0")
    assert read_value(b"\0\0\0") == 0, "forgotten, so not counted on"


@pytest.mark.parametrize(
    "field", [{"type": "i8"}, {"type": "float32be"}, {"count": 2}, {"enum": {"0": "a"}}, {"type": "ascii", "length": 2}]
)
def test_what_does_not_count(field: dict[str, object]) -> None:
    mistakes: list[str] = []
    read({"name": "n", "at": 0, "type": "u8", "rollover": True, **field}, BinaryField, mistakes)
    assert any(mistake.startswith("rollover: ") for mistake in mistakes)
