"""`profiles decode`: what it prints and its exit codes."""

import argparse
import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from collector.commands import profiles

GOOD = "aac0d4043a0aa1601dab"
BAD = "aac0d4043b0aa1601dab"
READING = {
    "device": "0xA160",
    "fields": {"pm2_5": 123.6, "pm10": 261.8},
    "units": {"pm2_5": "ug/m3", "pm10": "ug/m3"},
}


class Result(NamedTuple):
    code: int
    readings: list[Any]
    error: str


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Any:
    def decode(*words: str) -> Result:
        parser = argparse.ArgumentParser()
        profiles.add_to(parser.add_subparsers())
        arguments = parser.parse_args(["profiles", "decode", *words])
        code = arguments.func(arguments)
        out, error = capfd.readouterr()
        assert error.count("\n") <= 1, "one line"
        return Result(code, [json.loads(line) for line in out.splitlines()], error.rstrip("\n"))

    return decode


@pytest.mark.parametrize(
    "hex", [GOOD, GOOD.upper(), "0x" + GOOD, "aa:c0:d4:04:3a:0a:a1:60:1d:ab", "0xAA 0xC0 d4 04 3a0aa1601dab\n"]
)
def test_published(run: Any, hex: str) -> None:
    assert run("nova-sds011", "--hex", hex) == Result(0, [READING], "")


def test_garbage_around_a_frame(run: Any) -> None:
    assert run("nova-sds011", "--hex", "00ff" + GOOD + "11") == Result(0, [READING], "")


def test_a_refused_frame(run: Any) -> None:
    assert run("nova-sds011", "--hex", BAD) == Result(1, [], "nova-sds011: 1 refused: checksum")
    assert run("nova-sds011", "--hex", BAD + GOOD) == Result(1, [READING], "nova-sds011: 1 refused: checksum")


def test_incomplete(run: Any) -> None:
    end = "nova-sds011: incomplete frame at the end"
    assert run("nova-sds011", "--hex", GOOD[:18]) == Result(1, [], end)
    assert run("nova-sds011", "--hex", GOOD + GOOD[:6]) == Result(0, [READING], end)


def test_nothing_to_read(run: Any) -> None:
    assert run("nova-sds011", "--hex", "0011") == Result(1, [], "nova-sds011: no frame found in 2 bytes")
    reply = run("nova-sds011", "--hex", "aac502010100a16005ab")
    assert reply == Result(1, [], "nova-sds011: no reading: 1 frames of a kind the profile ignores")


def test_text(run: Any) -> None:
    text = '{"sensor":"gps","time":1351824120,"data":[48.756080,2.302038]}'
    fields = {"sensor": "gps", "time": 1351824120, "data[0]": 48.75608, "data[1]": 2.302038}
    expected = Result(0, [{"device": None, "fields": fields, "units": {}}], "")
    assert run("json-lines", "--text", text) == expected
    assert run("json-lines", "--text", text + "\r\n", "--topic", "a/b") == expected


def test_text_of_several_lines(run: Any) -> None:
    code, readings, error = run("json-lines", "--text", '{"t":"µ"}\nboot\n\n23')
    assert (code, [one["fields"] for one in readings]) == (1, [{"t": "µ"}, {"value": 23}])
    assert error == "json-lines: 1 refused: json (JSON is malformed: invalid character (byte 0))"


def test_a_reading_of_nulls_is_a_reading(run: Any) -> None:
    assert run("json-lines", "--text", '{"t":null}').code == 0


def test_lines_of_other_columns(run: Any) -> None:
    error = run("csv-lines", "--text", "1,2,3,4\n").error
    assert error.endswith("(4 values in a line of 3 columns; the source's `columns` must name each, in order)")


def test_text_that_is_not_utf8(run: Any) -> None:
    assert run("json-lines", "--text", '{"t":"\udcff"}').error.startswith("json-lines: 1 refused: utf-8 (")


def test_file(run: Any, tmp_path: Path) -> None:
    capture = tmp_path / "capture"
    capture.write_bytes(bytes.fromhex(GOOD) * 3)
    assert run("nova-sds011", "--file", str(capture)) == Result(0, [READING] * 3, "")


def test_folder(run: Any, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "profile.toml").write_text(
        'id = "mine"\nname = "m"\ncitation = "-"\nframing = { type = "message" }\npayload = { type = "json" }\n'
    )
    given = ("--folder", str(tmp_path))
    assert run("mine", "--text", '{"a":\n1}', *given).readings == [{"device": None, "fields": {"a": 1}, "units": {}}]
    assert run("nova-sds011", "--hex", GOOD, *given).code == 0


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["nova-sds11", "--hex", "00"], "profile 'nova-sds11' is not known; did you mean 'nova-sds011'?"),
        (["nova-sds011", "--hex", "0g"], "--hex: '0g' is not hex: write two digits a byte, such as \"aa c0\""),
        (["nova-sds011", "--file", "/missing"], "--file /missing: No such file or directory"),
        (["nova-sds011", "--file", "/dev/zero"], "--file /dev/zero: holds more than 16 MiB; cut out a part"),
        (["nova-sds011", "--file", "/"], "--file /: Is a directory"),
        (["nova-sds011", "--hex", "00", "--folder", "/missing"], "--folder /missing: is not a folder"),
    ],
)
def test_wrong_usage(run: Any, words: list[str], error: str) -> None:
    assert run(*words) == Result(2, [], error)


@pytest.mark.parametrize("words", [[], ["nova-sds011"], ["nova-sds011", "--hex", "00", "--text", "x"]])
def test_wrong_words(run: Any, words: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        run(*words)
    assert caught.value.code == 2


def test_modbus_with_and_without_its_request(run: Any) -> None:
    voltage = {"device": None, "fields": {"voltage": 230.20001}, "units": {"voltage": "V"}}
    frequency = {"device": None, "fields": {"frequency": 230.20001}, "units": {"frequency": "Hz"}}
    rtu, tcp = "01 04 04 43 66 33 34 1b 38", "0001 0000 0007 01 04 04 43 66 33 34"
    for reply in (rtu, tcp):
        assert run("eastron-sdm120", "--hex", reply) == Result(0, [voltage], "")
        assert run("eastron-sdm120", "--hex", reply, "--request", "010400460002901e") == Result(0, [frequency], "")


def test_modbus_that_says_no(run: Any) -> None:
    said = "eastron-sdm120: 1 refused: exception (the device refuses function 4: exception 2, illegal data address)"
    assert run("eastron-sdm120", "--hex", "01 84 02 c2 c1") == Result(1, [], said)
    write = "senseair-s8: 1 refused: exception (the device refuses function 6: exception 1, illegal function)"
    assert run("senseair-s8", "--hex", "fe 86 01 b3 90") == Result(1, [], write)
    assert run("senseair-s8", "--hex", "fe 84 02 f2 f0") == Result(1, [], "senseair-s8: 1 refused: checksum")


@pytest.mark.parametrize(
    ("profile", "request_", "error"),
    [
        ("eastron-sdm120", "0104", "request: 2 bytes are no Modbus frame"),
        ("eastron-sdm120", "01 4", "--request: '01 4' is not hex: write two digits a byte, such as \"aa c0\""),
        ("nova-sds011", "010400460002901e", "request: profile 'nova-sds011' is not one of Modbus; leave it out"),
    ],
)
def test_a_request_that_is_none(run: Any, profile: str, request_: str, error: str) -> None:
    assert run(profile, "--hex", "01 04 04 43 66 33 34 1b 38", "--request", request_) == Result(2, [], error)
