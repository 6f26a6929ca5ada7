"""The results as Markdown tables: what was measured, and how many times that of the first row it is."""

from collections.abc import Sequence

from tests.bench.results import MEASURES, Measure, Results, Row, worst
from tests.bench.scenarios import Fault

MISSING = "–"


def lines(results: Results) -> list[str]:
    rows = results.rows
    # What nobody was measured for has no column.
    shown = [measure for measure in MEASURES if any(measure.values(row) for row in rows)]
    faults = {
        "online: lost": [_lost_online(row) for row in rows],
        "outage: lost, twice": [_fault(worst(row.outage)) for row in rows],
        "SIGKILL: lost, twice": [_fault(worst(row.killed)) for row in rows],
    }
    figures = {f"{measure.title}, {measure.unit}": [_figure(measure, row) for row in rows] for measure in shown}
    figures |= {title: cells for title, cells in faults.items() if set(cells) != {MISSING}}
    ratios = {measure.title: [_ratio(measure, row, rows[0]) for row in rows] for measure in shown}
    return [
        *_table("", [row.name for row in rows], figures),
        "",
        *_table(f"compared with {rows[0].name}", [row.name for row in rows], ratios),
        "",
        *(f"{row.name}: {row.why}" for row in rows if row.why),
    ]


def _table(corner: str, names: Sequence[str], columns: dict[str, list[str]]) -> list[str]:
    """Measures go down, names across: there are more of the former."""
    table = [[corner, *names], *([title, *cells] for title, cells in columns.items())]
    widths = [max(len(row[i]) for row in table) for i in range(len(names) + 1)]
    ruled = [table[0], ["-" * width for width in widths], *table[1:]]
    return [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in ruled
    ]


def _figure(measure: Measure, row: Row) -> str:
    """The median, and the least and the most of several runs."""
    spread = measure.spread(row)
    if spread is None:
        return MISSING
    median, least, most = (_number(value, measure.digits) for value in spread)
    return median if len(measure.values(row)) == 1 else f"{median} ({least}..{most})"


def _ratio(measure: Measure, row: Row, reference: Row) -> str:
    """Of the medians: beyond 1, the peer has more of what is measured."""
    here, there = measure.spread(row), measure.spread(reference)
    if here is None or there is None or not there.median:
        return MISSING
    return f"{here.median / there.median:,.2f} ×"


def _lost_online(row: Row) -> str:
    return f"{sum(run.lost for run in row.online):,} of {row.messages:,}" if row.online else MISSING


def _fault(cost: Fault | None) -> str:
    """Of the worst run."""
    return f"{cost.lost:,}, {cost.twice:,} of {cost.messages:,}" if cost else MISSING


def _number(value: float, digits: int = 0) -> str:
    return f"{value:,.{digits if value < 100 else 0}f}"
