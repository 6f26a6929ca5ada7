"""A profile as a whole: frames from anywhere, and what a source may ask of it."""

import pytest

from collector.errors import ConfigurationError, FrameError
from collector.profiles import SerialSettings, builtin_folder, load
from collector.profiles.options import Options
from collector.reading import Decoded

SDS011 = load("nova-sds011", [builtin_folder()])
JSON = load("json-lines", [builtin_folder()])
FRAME = bytes.fromhex("aac0d4043a0aa1601dab")


def test_published_frame() -> None:
    assert SDS011.framer().feed(FRAME) == [FRAME]
    assert SDS011.decode(FRAME) == [Decoded("0xA160", {"pm2_5": 123.6, "pm10": 261.8})]
    assert SDS011.units_of(SDS011.decode(FRAME)[0]) == {"pm2_5": "ug/m3", "pm10": "ug/m3"}
    assert SDS011.serial == SerialSettings(baudrate=9600)


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (b"", "length"),
        (FRAME + b"\x00", "length"),
        (b"\xaa\xc5" + FRAME[2:], "start"),
        (FRAME[:9] + b"\x00", "end"),
        (FRAME[:4] + b"\x3b" + FRAME[5:], "checksum"),
    ],
)
def test_decode_trusts_no_framer(frame: bytes, reason: str) -> None:
    with pytest.raises(FrameError) as caught:
        SDS011.decode(frame)
    assert caught.value.reason == reason


def test_options_make_another_profile() -> None:
    chosen = JSON.with_options(Options(time_field="t", time_unit="ms", device_field="id"))
    message = b'{"id":"x","t":1351824120123}'
    assert chosen.decode(message) == [Decoded("x", {"id": "x", "t": 1351824120123}, 1351824120_123_000_000)]
    assert JSON.decode(message) == [Decoded(None, {"id": "x", "t": 1351824120123})]
    [other] = chosen.with_options(Options(device_field="t")).decode(message)
    assert (other.device, other.time_ns) == (
        "1351824120123",
        1351824120_123_000_000,
    ), "what is not given stays"


def test_options_need_open_fields() -> None:
    assert SDS011.with_options(Options(time_unit="ms")) is SDS011
    with pytest.raises(ConfigurationError) as caught:
        SDS011.with_options(Options(time_field="t", device_field="d"))
    assert caught.value.mistakes == [
        "time_field: profile 'nova-sds011' declares its own fields; remove the key",
        "device_field: profile 'nova-sds011' declares its own fields; remove the key",
    ]


def test_units_of_a_reading() -> None:
    assert SDS011.units_of(Decoded(None, {"pm10": 1.0})) == {"pm10": "ug/m3"}
