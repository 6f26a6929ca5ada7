"""That every mistake of a table is found, each with its key and what to write instead."""

from typing import Literal

import pytest

from collector.profiles.table import Hex, Table, nearest, read


class Round(Table, frozen=True, kw_only=True, tag="round"):
    radius: int


class Square(Table, frozen=True, kw_only=True, tag="square"):
    side: int = 1


class Drawing(Table, frozen=True, kw_only=True):
    name: str
    shapes: list[Round] = []
    shape: Round | Square | None = None
    mark: Hex = Hex(b"\x00")
    line: Literal["solid", "dotted"] = "solid"

    def mistakes(self) -> list[tuple[str, str]]:
        return [("name", "is not a good name")] if self.name == "bad" else []


def test_a_right_table() -> None:
    mistakes: list[str] = []
    raw = {"name": "x", "shape": {"type": "square", "side": 2}, "mark": "AA:c0", "line": "dotted"}
    assert read(raw, Drawing, mistakes) == Drawing(name="x", shape=Square(side=2), mark=Hex(b"\xaa\xc0"), line="dotted")
    assert mistakes == []


def test_every_mistake_at_once() -> None:
    mistakes: list[str] = []
    raw = {
        "name": "bad",
        "nmae": "x",
        "shapes": [{"type": "round", "radius": "1"}, {"type": "round", "radius": 1}, {"type": "round"}, 5],
        "shape": {"type": "sqare"},
        "mark": "a",
        "line": "doted",
    }
    drawing = read(raw, Drawing, mistakes)
    assert mistakes == [
        "nmae: unknown key; did you mean 'name'?",
        "shapes[0].radius: Expected `int`, got `str`",
        "shapes[2].radius: missing",
        "shapes[3]: must be a table",
        "shape.type: 'sqare' is not known; did you mean 'square'?",
        "mark: 'a' is not hex: write two digits a byte, such as \"aa c0\"",
        "line: 'doted' is not known; did you mean 'dotted'?",
        "name: is not a good name",
    ]
    assert drawing is not None
    assert drawing.shapes == [Round(radius=1)], "what is right is kept, for the checks that follow"


def test_too_much_missing() -> None:
    mistakes: list[str] = []
    assert read({"shape": {}}, Drawing, mistakes) is None
    assert mistakes == ["name: missing", "shape.type: missing; one of: round, square"]


@pytest.mark.parametrize("text", ["aac0", "aa c0", "AA:C0", " 0xaa, 0XC0 ", "0xaac0", "aa\nc0\n"])
def test_hex(text: str) -> None:
    assert Hex.parse(text) == b"\xaa\xc0"


@pytest.mark.parametrize("text", ["a", "a ac 0", "gg", "aa-c0", "ａａ", "0x0xaa"])
def test_not_hex(text: str) -> None:
    with pytest.raises(ValueError, match="is not hex"):
        Hex.parse(text)


def test_nearest() -> None:
    assert nearest("baudrat", ["parity", "baudrate"]) == "did you mean 'baudrate'?"
    assert nearest("q", ["parity", "baudrate"]) == "one of: baudrate, parity"
