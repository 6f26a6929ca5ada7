"""The results as a picture: a row for each peer, a column of bars for each measure. Plain SVG."""

from collections.abc import Callable
from html import escape
from math import isfinite
from typing import NamedTuple

from tests.bench.results import CORE, FLASH_STORED, P99, RSS_ONLINE, THROUGHPUT, UPLINK, Measure, Results, Row, worst
from tests.bench.scenarios import Fault

WIDTH, MARGIN, NAMES, GAP = 960, 24, 186, 18
TOP, ROW = 92, 40
OURS, OTHERS, GOOD, BAD = "#0f766e", "#94a3b8", "#0f766e", "#b91c1c"


BARS: tuple[tuple[Measure, str, str, str], ...] = (
    (THROUGHPUT, "throughput", "per CPU-s", "{:,.0f}"),
    (P99, "p99 latency", "ms at 1,000/s", "{:,.1f}"),
    (CORE, "CPU at 100/s", "% of a core", "{:.1f}"),
    (RSS_ONLINE, "memory", "MB RSS, online", "{:.0f}"),
    (UPLINK, "uplink", "B a reading", "{:.0f}"),
    (FLASH_STORED, "flash, stored", "B a reading", "{:,.0f}"),
)
"""What is drawn, its title and subtitle, and the format of its median."""


class Faults(NamedTuple):
    title: str
    subtitle: str
    value: Callable[[Row], Fault | None]


FAULTS = (
    Faults("outage", "of the uplink", lambda row: worst(row.outage)),
    Faults("SIGKILL", "in mid-stream", lambda row: worst(row.killed)),
)


def svg(results: Results) -> str:
    rows = results.rows
    bars = [bar for bar in BARS if any(bar[0].values(row) for row in rows)]
    faults = [column for column in FAULTS if any(column.value(row) for row in rows)]
    height = TOP + ROW * len(rows) + 22 * len(notes(results)) + 28
    step = (WIDTH - 2 * MARGIN - NAMES) / max(1, len(bars) + len(faults))
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}"'
        ' font-family="system-ui, sans-serif" font-size="12">',
        "<title>Edge Collector and its peers, measured side by side</title>",
        f'<rect width="{WIDTH}" height="{height}" rx="10" fill="#ffffff" stroke="#e2e8f0"/>',
        _text(MARGIN, 34, "The same messages from one broker to another", size=15, weight=600),
    ]
    for number, row in enumerate(rows):
        middle = TOP + ROW * number + ROW / 2
        if number % 2 == 0:
            out.append(
                f'<rect x="{MARGIN / 2:g}" y="{middle - ROW / 2:g}" width="{WIDTH - MARGIN}" height="{ROW}"'
                ' fill="#f8fafc"/>'
            )
        ours = row.name.startswith("Edge Collector")
        out.append(_text(MARGIN, middle + 4, row.name, weight=600 if ours else 400, size=13))
        if row.why.startswith("not installed"):
            out.append(_text(MARGIN + NAMES, middle + 4, row.why, fill="#64748b"))
    left: float = MARGIN + NAMES
    for measure, title, subtitle, form in bars:
        spreads = [measure.spread(row) for row in rows]
        most = max((spread.median for spread in spreads if spread and isfinite(spread.median)), default=1) or 1
        out += _head(left, title, subtitle)
        for number, (row, spread) in enumerate(zip(rows, spreads, strict=True)):
            if spread is None:
                continue
            value = spread.median
            middle = TOP + ROW * number + ROW / 2
            fill = OURS if row.name.startswith("Edge Collector") else OTHERS
            length = max(1.5, min(value / most, 1) * (step - GAP))
            out.append(
                f'<rect x="{left:g}" y="{middle + 3:g}" width="{length:.1f}" height="8" rx="1.5" fill="{fill}"/>'
            )
            out.append(_text(left, middle - 3, form.format(value)))
        left += step
    for fault in faults:
        out += _head(left, fault.title, fault.subtitle)
        for number, row in enumerate(rows):
            cost = fault.value(row)
            if cost is None:
                continue
            middle = TOP + ROW * number + ROW / 2
            out.append(_text(left, middle - 3, f"{_share(cost.lost, cost)} lost", fill=BAD if cost.lost else GOOD))
            out.append(_text(left, middle + 12, f"{_share(cost.twice, cost)} twice", fill=BAD if cost.twice else GOOD))
        left += step
    for number, line in enumerate(notes(results)):
        out.append(_text(MARGIN, TOP + ROW * len(rows) + 26 + 22 * number, line, fill="#64748b"))
    return "\n".join([*out, "</svg>", ""])


def notes(results: Results) -> list[str]:
    """What a reader must know of how it was measured."""
    ceiling = results.ceiling
    runs = max((len(row.online) for row in results.rows), default=0)
    return [
        f"QoS 1, JSON of 75 bytes, Mosquitto on both sides. {results.machine}, {results.date}.",
        f"Medians of {runs}; of faults the worst run. Throughput, memory and uplink at full load.",
        f"The bench alone, messages a second: generator {ceiling.generator:,.0f}, counter {ceiling.counter:,.0f};"
        f" a CPU-second of its own: {ceiling.generator_cpu:,.0f} and {ceiling.counter_cpu:,.0f}.",
        f"Straight through one broker p99: {ceiling.p99 * 1000:.1f} ms.",
        *(row.remark for row in results.rows if row.remark and row.online),
    ]


def _share(count: int, cost: Fault) -> str:
    if count == 0:
        return "0"
    part = count / cost.messages * 100
    return f"{part:.0f} %" if part >= 1 else f"{count:,}"


def _head(left: float, title: str, subtitle: str) -> list[str]:
    return [_text(left, TOP - 26, title, weight=600), _text(left, TOP - 10, subtitle, fill="#64748b", size=11)]


def _text(x: float, y: float, text: str, *, fill: str = "#0f172a", size: int = 12, weight: int = 400) -> str:
    return f'<text x="{x:g}" y="{y:g}" fill="{fill}" font-size="{size}" font-weight="{weight}">{escape(text)}</text>'
