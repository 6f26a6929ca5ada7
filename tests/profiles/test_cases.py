"""Every case of every profile, whole and in pieces; and that a wrong expectation is noticed."""

from pathlib import Path

import pytest

from collector.errors import ConfigurationError
from collector.profiles import available, builtin_folder, load
from collector.profiles.cases import Case, cases

FOLDERS = [builtin_folder()]
CASES = {id: cases(folder) for id, folder in available(FOLDERS).items()}
PROFILES = {id: load(id, FOLDERS) for id in CASES}
ALL = [(id, name) for id, found in CASES.items() for name in found]


@pytest.mark.parametrize(("id", "name"), ALL)
def test_case(id: str, name: str) -> None:
    case, profile = CASES[id][name], PROFILES[id]
    assert case.differences(profile) == []
    if profile.cuts_a_stream:
        stream = b"".join(case.reads())
        for size in (1, 3, 7):
            pieces = [stream[i : i + size] for i in range(0, len(stream), size)]
            assert case.differences(profile, pieces) == [], f"in pieces of {size}"


@pytest.mark.parametrize("id", CASES)
def test_every_profile_has_a_case_that_gives_readings_and_one_that_refuses(id: str) -> None:
    found = CASES[id].values()
    assert any(case.readings for case in found)
    assert any(case.refused for case in found)


def test_a_wrong_expectation_is_a_difference() -> None:
    case = Case(citation="-", text='{"t":1}', refused={"json": 1})
    [readings, refused] = case.differences(load("json-lines", FOLDERS))
    assert readings == "readings: expected [], got [(None, {'t': 1}, {}, None, [])]"
    assert refused == "refused: expected {'json': 1}, got {}"


def test_all_mistakes_of_case_files_are_named(tmp_path: Path) -> None:
    folder = tmp_path / "cases"
    folder.mkdir()
    (folder / "a.toml").write_text('citation = "-"\nhexx = "00"\n')
    (folder / "b.toml").write_text('citation = "-"\nhex = "0"\n')
    with pytest.raises(ConfigurationError) as caught:
        cases(tmp_path)
    assert [mistake.removeprefix(f"{folder}/") for mistake in caught.value.mistakes] == [
        "a.toml: hexx: unknown key; did you mean 'hex'?",
        "a.toml: hex: a case has either hex or text",
        "b.toml: hex: '0' is not hex: write two digits a byte, such as \"aa c0\"",
    ]
