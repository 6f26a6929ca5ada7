"""Folders of profiles: which wins, and that a wrong file is told all its mistakes."""

import os
from pathlib import Path

import pytest

from collector.check import load_checked
from collector.commands.profiles.catalogue import table
from collector.errors import ConfigurationError
from collector.profiles import available, builtin_folder, load
from collector.profiles.library import searched


def write(folder: Path, id: str, text: str) -> Path:
    file = folder / id / "profile.toml"
    file.parent.mkdir(parents=True)
    file.write_text(text)
    return file


def mistakes(id: str, folders: list[Path]) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load(id, folders)
    return caught.value.mistakes


MINE = """
id = "json-lines"
name = "mine"
citation = "none"
framing = { type = "message" }
payload = { type = "json" }
"""


def test_the_first_folder_wins(tmp_path: Path) -> None:
    write(tmp_path, "json-lines", MINE)
    folders = [tmp_path, tmp_path / "missing", builtin_folder()]
    assert load("json-lines", folders).name == "mine"
    assert load("nova-sds011", folders).name.startswith("Nova")
    found = available(folders)
    assert found["json-lines"] == tmp_path / "json-lines"
    assert list(found) == sorted(found)


def test_beside_the_configuration_before_etc_before_built_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For the daemon wherever its configuration lies, as for the commands."""
    beside, etc = tmp_path / "firmware_profiles", tmp_path / "etc"
    monkeypatch.setattr("collector.profiles.library.USER_FOLDER", etc)
    write(etc, "json-lines", MINE)
    (configuration := tmp_path / "collector.toml").write_text(
        '[sources.m]\ntype = "mqtt"\nurl = "mqtt://h"\ntopics = ["a"]\nprofile = "json-lines"\n'
    )
    assert load("json-lines", searched(tmp_path)).name == "mine"
    load_checked(configuration)
    write(beside, "json-lines", MINE.replace("mine", "nearer"))
    assert load("json-lines", searched(tmp_path)).name == "nearer"
    (beside / "json-lines" / "profile.toml").write_text("id = ")
    with pytest.raises(ConfigurationError, match=r"firmware_profiles/json-lines/profile\.toml: "):
        load_checked(configuration)
    assert load("nova-sds011", searched(tmp_path)).name.startswith("Nova")


@pytest.mark.parametrize("id", ["nova-sds11", "../firmware_profiles/nova-sds011", "", "."])
def test_unknown(id: str) -> None:
    [mistake] = mistakes(id, [builtin_folder()])
    assert mistake.startswith(f"profile {id!r} is not known; ")
    if id == "nova-sds11":
        assert mistake.endswith("did you mean 'nova-sds011'?")


def test_no_profiles_at_all(tmp_path: Path) -> None:
    assert mistakes("x", [tmp_path]) == [f"profile 'x' is not known; no profiles in {tmp_path}"]


def test_every_mistake_at_once(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        "wrong",
        """
id = "other"
name = ""
citation = 5
baudrate = 9600
serial = { baudrate = 9600, parity = "evn" }
checksum = { type = "sum16", over = [2, 12], at = 8 }
[framing]
type = "fixed"
start = "aa c0"
length = 10
ignore = [{ start = "aa", length = 3 }]
[payload]
type = "binary"
fields = [
    { name = "a", at = 9, type = "u16be", sentinel = 70000 },
    { name = "a", at = 1, type = "u12" },
    { name = "a", at = 0, type = "u8", range = [5, 1] },
]
""",
    )
    found = [mistake.removeprefix(f"{file}: ") for mistake in mistakes("wrong", [tmp_path])]
    expected = [
        "baudrate: unknown key; ",
        "framing.ignore[0].start: cannot be told apart",
        "payload.fields[0].sentinel: 70000 never occurs",
        "payload.fields[1].type: 'u12' is not known; one of: ",
        "payload.fields[2].range: the least, 5.0, is not below the greatest, 1.0",
        "payload.fields: 'a' stands more than once",
        "citation: Expected `str`, got `int`",
        "serial.parity: 'evn' is not known; did you mean 'even'?",
        "checksum.byte_order: sum16 has two bytes",
        "name: missing",
        "id: 'other' must be the folder's name, 'wrong'",
        "payload.fields 'a': ends at byte 11",
        "checksum.over: [2, 12) is not within",
    ]
    assert len(found) == len(expected)
    for mistake, beginning in zip(found, expected, strict=True):
        assert mistake.startswith(beginning)


def test_parts_that_do_not_fit_each_other(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        "wrong",
        """
id = "other"
name = "x"
citation = "-"
checksum = { type = "sum8", over = [2, 12], at = 8 }
framing = { type = "fixed", start = "aa", length = 10 }
[payload]
type = "binary"
fields = [{ name = "a", at = 9, type = "u16be" }]
""",
    )
    assert mistakes("wrong", [tmp_path]) == [
        f"{file}: id: 'other' must be the folder's name, 'wrong'",
        f"{file}: payload.fields 'a': ends at byte 11 of a frame of 10 bytes",
        f"{file}: checksum.over: [2, 12) is not within the frame's 10 bytes",
    ]


def test_json_in_fixed_frames_is_a_mistake(tmp_path: Path) -> None:
    text = MINE.replace('{ type = "message" }', '{ type = "fixed", start = "7b", length = 9 }')
    file = write(tmp_path, "json-lines", text)
    assert mistakes("json-lines", [tmp_path]) == [
        f"{file}: payload.type: json has no fixed length, but a frame of 9 bytes is declared"
    ]


def test_files_that_are_no_toml(tmp_path: Path) -> None:
    file = write(tmp_path, "a", "id = \n")
    assert mistakes("a", [tmp_path]) == [f"{file}: Invalid value (at line 1, column 6)"]
    file.write_bytes(b"\xff")
    [mistake] = mistakes("a", [tmp_path])
    assert "utf-8" in mistake
    file.unlink()
    file.mkdir()
    assert mistakes("a", [tmp_path]) == [f"{file}: cannot be read: Is a directory"]


def test_names_of_tables_and_kinds(tmp_path: Path) -> None:
    file = write(tmp_path, "a", 'id = "A"\nname = "x"\ncitation = "-"\nframing = {}\npayload = { type = "jsn" }\n')
    assert mistakes("a", [tmp_path]) == [
        f"{file}: framing.type: missing; one of: "
        "block, delimiter, fixed, length-field, message, modbus, sml-transport, telegram",
        f"{file}: payload.type: 'jsn' is not known; did you mean 'json'?",
    ]


def test_topics_belong_to_messages_and_names_of_values_to_text(tmp_path: Path) -> None:
    topics = '[[topics]]\nmatch = "{a}"\nfield = "{a}"\n'
    file = write(tmp_path, "json-lines", MINE + topics)
    said = [f"{file}: topics[0].field: names a bare value, but payload.type is not text"]
    assert mistakes("json-lines", [tmp_path]) == said
    file.write_text(MINE.replace("message", "delimiter") + topics)
    assert mistakes("json-lines", [tmp_path]) == [
        f"{file}: topics: only messages have one; set framing.type to message",
        *said,
    ]


def test_fields_must_lie_within_every_length_declared(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        "a",
        """
id = "a"
name = "x"
citation = "-"
checksum = { type = "sum16", over = [0, -2], at = -2, byte_order = "big" }
framing = { type = "length-field", start = "42", length = { at = 1, type = "u8" }, max_length = 9, lengths = [6, 9] }
payload = { type = "binary", fields = [{ name = "f", at = 6, type = "u8" }] }
""",
    )
    assert mistakes("a", [tmp_path]) == [f"{file}: payload.fields 'f': ends at byte 7 of a frame of 6 bytes"]


def test_every_mistake_of_the_other_payloads(tmp_path: Path) -> None:
    def found(framing: str, payload: str) -> list[str]:
        folder = tmp_path / "a"
        folder.mkdir(exist_ok=True)
        file = folder / "profile.toml"
        file.write_text(f'id = "a"\nname = "x"\ncitation = "-"\nframing = {framing}\n[payload]\n{payload}\n')
        return [mistake.removeprefix(f"{file}: ").partition(":")[0] for mistake in mistakes("a", [tmp_path])]

    telegram = '{ type = "telegram", start = "", end = "!" }'
    obis = 'type = "obis"\ntime_zone = "Amsterdam"\nfields = [{ code = "1", name = "a", type = "tim" }, { code = "1" }]'
    assert found(telegram, obis) == [
        "framing.start",
        "payload.fields[0].type",
        "payload.fields[1].name",
        "payload.time_zone",
    ]
    assert found('{ type = "sml-transport", max = 1 }', 'type = "sml"\nfields = []') == [
        "framing.max",
        "payload.fields",
    ]
    sentences = 'type = "sentences"\nsentences = [{ id = "A" }, { id = "B", fields = [{ name = "n", at = 0 }] }]'
    assert found('{ type = "delimiter" }', sentences) == [
        "payload.sentences[0].fields",
        "payload.sentences[1].fields[0].at",
    ]
    tlv = 'type = "tlv"\ntime_zone = "x"\ntypes = [{ id = 1, fields = [{ name = "a", at = 0, type = "ascii" }] }]'
    assert found('{ type = "message" }', tlv) == ["payload.types[0].fields[0].length", "payload.time_zone"]
    keys = 'type = "key-value"\nseparator = ""\nfields = [{ name = "A", type = "text", unit = "V" }]'
    assert found('{ type = "block", end = "" }', keys) == [
        "framing.end",
        "payload.separator",
        "payload.fields[0].type",
    ]


def test_what_is_no_file_is_refused_at_once_and_the_others_are_listed(tmp_path: Path) -> None:
    def refused(id: str) -> str:
        (folder := tmp_path / id).mkdir()
        match id:
            case "fifo":
                os.mkfifo(folder / "profile.toml")
            case "endless":
                (folder / "profile.toml").symlink_to("/dev/zero")
            case "loop":
                (folder / "profile.toml").symlink_to("profile.toml")
            case "huge":
                (folder / "profile.toml").write_bytes(b"#" * ((1 << 20) + 1))
            case "deep":
                (folder / "profile.toml").write_text("a = " + "[" * 20_000)
            case "binary":
                (folder / "profile.toml").write_bytes(b"\xff\0")
        [mistake] = mistakes(id, [tmp_path])
        return mistake.removeprefix(f"{folder}/profile.toml: ")

    assert refused("fifo") == refused("endless") == "cannot be read: not a regular file"
    assert refused("loop") == "cannot be read: Too many levels of symbolic links"
    assert refused("huge") == "holds more than 1 MiB; that is no profile and no case"
    assert refused("deep") == "arrays or tables within each other, far too deep"
    assert "can't decode byte 0xff" in refused("binary")
    write(tmp_path, "json-lines", MINE)
    rows, wrong = table([tmp_path])
    assert ([row.id for row in rows], len(wrong)) == (["json-lines"], 6)


@pytest.mark.skipif(os.getuid() != 0, reason="needs root, to become somebody who may not look")
def test_a_folder_that_may_not_be_looked_into(tmp_path: Path) -> None:
    """As for a service whose operator wrote a profile for root's eyes only."""
    write(tmp_path / "open", "shut", MINE).parent.chmod(0o700)
    write(tmp_path / "closed", "any", MINE)
    (tmp_path / "closed").chmod(0o700)
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    os.seteuid(65534)
    try:
        [shut] = mistakes("shut", [tmp_path / "open"])
        [unknown] = mistakes("any", [tmp_path / "closed", tmp_path / "open"])
    finally:
        os.seteuid(0)
    assert shut == f"{tmp_path}/open/shut/profile.toml: cannot be read: Permission denied"
    assert f"'any' is not known ({tmp_path}/closed cannot be read: permission denied)" in unknown
