"""The table `[polling]` of a profile, and the commands of those that are shipped."""

import tomllib

import pytest

from collector.profiles import available, builtin_folder, load
from collector.profiles.polling import Polling
from collector.profiles.table import read

FOLDERS = [builtin_folder()]
POLLED = [id for id in available(FOLDERS) if load(id, FOLDERS).polling is not None]


def mistakes(text: str) -> list[str]:
    found: list[str] = []
    read(tomllib.loads(text), Polling, found, "polling")
    return found


def test_durations_and_bytes_are_written_as_elsewhere() -> None:
    found: list[str] = []
    polling = read(tomllib.loads('requests = ["ff 01"]\ntimeout = "250ms"\ninterval = "1m"'), Polling, found)
    assert found == [] and polling is not None
    assert (polling.requests, polling.timeout, polling.interval) == ([b"\xff\x01"], 0.25, 60.0)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "polling.requests: missing: nothing is asked and nothing woken"),
        ('requests = [""]', "polling.requests: one is empty: write the bytes to send"),
        ('requests = ["0"]', "polling.requests: '0' is not hex"),
        ('requests = ["00"]\ntimeout = 1', "polling.timeout: "),
        ('requests = ["00"]\ntimeout = "0s"', "polling.timeout: must be more than 0"),
        ('requests = ["00"]\nsleep = ["01"]', "polling.wake: wake and sleep belong together; give both or neither"),
    ],
)
def test_mistakes(text: str, said: str) -> None:
    assert mistakes(text)[0].startswith(said)


@pytest.mark.parametrize("id", POLLED)
def test_the_commands_of_shipped_profiles_carry_their_checksums(id: str) -> None:
    polling = load(id, FOLDERS).polling
    assert polling is not None
    for command in (*polling.requests, *polling.init, *polling.wake, *polling.sleep):
        if command[:2] == b"\xaa\xb4":  # SDS011: sum of bytes 2 to 16
            assert len(command) == 19 and sum(command[2:17]) & 0xFF == command[17] and command[18] == 0xAB
        elif command[:2] == b"\x42\x4d":  # Plantower: sum of all before it
            assert len(command) == 7 and sum(command[:5]) == int.from_bytes(command[5:], "big")
        elif command[:2] == b"\xff\x01":  # Winsen: what makes bytes 1 to 8 add up to 0
            assert len(command) == 9 and sum(command[1:]) & 0xFF == 0
        else:
            raise AssertionError(f"{command.hex(' ')}: nobody knows its checksum")
