"""Modbus sources against the profiles of their devices."""

from pathlib import Path

import pytest

from collector.check import load_checked
from collector.errors import ConfigurationError


def modbus(*devices: str, more: str = 'port = "/dev/ttyAMA0"') -> str:
    return f'[sources.m]\ntype = "modbus"\n{more}\ndevices = [{", ".join(devices)}]\n'


def device(address: int = 1, profile: str = "eastron-sdm120", more: str = "") -> str:
    return f'{{ address = {address}, profile = "{profile}"{more} }}'


def judged(folder: Path, text: str) -> tuple[list[str], list[str]]:
    """Mistakes and warnings, without the one that there is no sink."""
    (folder / "collector.toml").write_text(text + '[sandbox]\nmode = "enforce"\n')
    try:
        found = load_checked(folder / "collector.toml")
    except ConfigurationError as error:
        return [one.split("collector.toml: ")[-1] for one in error.mistakes], []
    return [], [one.split("collector.toml: ")[-1] for one in found.warnings if "sources.m" in one]


@pytest.mark.parametrize(
    "text",
    [
        modbus(device(), device(247)),
        modbus(device(254, "senseair-s8")),
        modbus(device(255), device(0), more='url = "tcp://gateway"'),
        modbus(device(), device(2, "eastron-sdm630"), more='port = "usb:1a86:7523"\nbaudrate = 9600'),
        modbus(device(more=', fields = ["voltage", "max_power_demand"]')),
    ],
)
def test_what_is_right(tmp_path: Path, text: str) -> None:
    assert judged(tmp_path, text) == ([], [])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (modbus(device(0)), "sources.m.devices[0].address: 0 is no device's; give 1 to 247"),
        (modbus(device(248)), "sources.m.devices[0].address: 248 is no device's; give 1 to 247"),
        (
            modbus(device(254, "senseair-s8"), device(3, "senseair-s8")),
            "sources.m.devices[0].address: 254 means any device, and there are 2 on this line; give its own",
        ),
        (
            modbus(device(1, "eastron-sdm12")),
            'sources.m.devices[0].profile: no profile "eastron-sdm12"; did you mean "eastron-sdm120"?',
        ),
        (
            modbus(device(1, "nova-sds011")),
            'sources.m.devices[0].profile: "nova-sds011" is not one of a Modbus device; profiles list shows which are',
        ),
        (
            modbus(device(more=', fields = ["volts"]')),
            'sources.m.devices[0].fields[0]: no field "volts" in profile "eastron-sdm120"; '
            "edge-collector profiles show eastron-sdm120 names them",
        ),
        (
            modbus(device(), device(2, "eastron-sdm630")),
            "sources.m.baudrate: missing, and the profiles say 2400, 9600; give what all devices are set to",
        ),
        (
            '[sources.m]\ntype = "serial"\nport = "/dev/ttyS0"\nprofile = "senseair-s8"\n',
            'sources.m.profile: "senseair-s8" is one of a Modbus device, which must be asked; '
            'give the source type = "modbus"',
        ),
        (
            '[sources.m]\ntype = "serial"\nport = "/dev/ttyS0"\nprofile = "json-lines"\ninterval = "60s"\n',
            'sources.m.interval: profile "json-lines" knows nothing to ask, for its device speaks by itself; '
            "remove this",
        ),
    ],
)
def test_what_is_wrong(tmp_path: Path, text: str, said: str) -> None:
    assert judged(tmp_path, text)[0] == [said]


def test_a_line_that_cannot_carry_what_is_asked_is_warned_of(tmp_path: Path) -> None:
    devices = [device(at, more=', interval = "1s"') for at in range(1, 6)]
    mistakes, [warning] = judged(tmp_path, modbus(*devices))
    assert mistakes == []
    assert warning == (
        "sources.m.devices: their intervals take 317% of the line's time at 2400 baud, so some are skipped; "
        "lengthen them, or ask for fewer fields"
    )
    assert judged(tmp_path, modbus(*devices, more='port = "/dev/x"\nbaudrate = 38400')) == ([], [])
