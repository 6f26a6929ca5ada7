"""One line a figure."""

from typing import NamedTuple


class Line(NamedTuple):
    what: str
    figure: float | None
    unit: str
    target: float | None = None
    """The most it may be."""


def show(line: Line) -> None:
    figure = "not measured" if line.figure is None else f"{line.figure:,.2f} {line.unit}"
    verdict = ""
    if line.target is not None and line.figure is not None:
        kept = "kept" if line.figure <= line.target else "MISSED"
        verdict = f"  at most {line.target:g}: {kept}"
    print(f"{line.what:<78}{figure:>22}{verdict}", flush=True)
