"""Binary fields: what becomes null, a name, or suspect; and every mistake of a declaration."""

from typing import Any

import pytest

from collector.errors import FrameError
from collector.profiles.payload.binary import BinaryDevice, BinaryField, BinaryPayload
from collector.reading import Decoded


def field(**keys: Any) -> BinaryField:
    given: dict[str, Any] = {"name": "x", "at": 0, "type": "u8"} | keys
    return BinaryField(**given)


def value(frame: str, **keys: Any) -> Any:
    [decoded] = BinaryPayload(fields=[field(**keys)]).reader()(bytes.fromhex(frame))
    return decoded.fields["x"], decoded.suspect


def test_sentinel_is_compared_before_scaling() -> None:
    keys = {"type": "i16be", "sentinel": -32768, "scale": 0.005, "range": (-40, 85)}
    assert value("8000", **keys) == (None, None)  # RuuviTag RAWv2: temperature not available
    assert value("12fc", **keys) == (24.3, None)
    assert value("7fff", **keys) == (163.835, ["x"])
    assert value("ff", sentinel=[0xFE, 0xFF]) == (None, None)


def test_enum() -> None:
    assert value("01", enum={"0": "off", "1": "on"}) == ("on", None)
    assert value("07", enum={"0": "off", "1": "on"}) == ("7", ["x"])
    assert value("ff", enum={"-1": "broken"}, type="i8") == ("broken", None)
    assert value("f0", enum={"0": "ok"}, bits=(0, 4)) == ("ok", None)
    assert value("ff", enum={"0": "ok"}, sentinel=255) == (None, None)


def test_range_includes_its_ends() -> None:
    assert value("0a", range=(10, 20)) == (10, None)
    assert value("14", range=(10, 20)) == (20, None)
    assert value("15", range=(10, 20)) == (21, ["x"])


def test_several_fields_and_a_device() -> None:
    payload = BinaryPayload(
        fields=[field(name="a", unit="degC", range=(0, 1)), field(name="b", at=1), field(name="c", range=(0, 1))],
        device=BinaryDevice(at=2, length=2),
    )
    assert payload.units_of({"a": 2, "c": 2}) == {"a": "degC"}
    assert payload.reader()(bytes.fromhex("020304ab")) == [
        Decoded("0x04AB", {"a": 2, "b": 3, "c": 2}, None, ["a", "c"])
    ]


@pytest.mark.parametrize("size", range(6))
def test_a_short_frame_is_refused(size: int) -> None:
    read = BinaryPayload(fields=[field(type="u16be", at=2)], device=BinaryDevice(at=4, length=2)).reader()
    with pytest.raises(FrameError) as caught:
        read(bytes(size))
    assert caught.value.reason == "too short"


@pytest.mark.parametrize(
    ("keys", "wrong"),
    [
        ({"type": "u64be", "bits": (0, 64), "sentinel": 2**64 - 1, "scale": 1e-12, "unit": "%RH"}, []),
        ({"type": "i16be", "bits": (0, 4)}, ["bits"]),
        ({"bits": (4, 9)}, ["bits"]),
        ({"bits": (4, 4)}, ["bits"]),
        ({"type": "float32be", "sentinel": 1}, ["type"]),
        ({"sentinel": [-1, 256]}, ["sentinel", "sentinel"]),
        ({"bits": (0, 4), "sentinel": 16}, ["sentinel"]),
        ({"enum": {"on": "1"}}, ["enum"]),
        ({"enum": {"1": "on"}, "unit": "V"}, ["enum"]),
        ({"scale": 0, "offset": float("inf")}, ["scale", "offset"]),
        ({"scale": float("nan"), "range": (1, float("nan"))}, ["scale", "range"]),
        ({"range": (2, 1)}, ["range"]),
        ({"unit": "µg/m³"}, ["unit"]),
        ({"unit": ""}, ["unit"]),
    ],
)
def test_mistakes_of_a_field(keys: dict[str, Any], wrong: list[str]) -> None:
    assert [key for key, _ in field(**keys).mistakes()] == wrong


def test_mistakes_of_a_payload() -> None:
    double = BinaryPayload(fields=[field(), field(at=1), field(name="y")])
    assert list(double.mistakes()) == [("fields", "'x' stands more than once: every field needs its own name")]
    assert [key for key, _ in BinaryPayload(fields=[]).mistakes()] == ["fields"]


def test_misfits() -> None:
    payload = BinaryPayload(fields=[field(type="u16be", at=8), field(name="y", at=9)])
    assert list(payload.misfits(10)) == []
    payload = BinaryPayload(fields=[field(type="u16be", at=9)], device=BinaryDevice(at=9, length=2))
    assert list(payload.misfits(10)) == [
        "payload.fields 'x': ends at byte 11 of a frame of 10 bytes",
        "payload.device: does not lie within the frame's 10 bytes",
    ]
