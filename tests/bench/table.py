"""The results as a Markdown table. The first row is what the others are compared with."""

from tests.bench.results import Results, Row

HEAD = (
    "",
    "readings a CPU-second",
    "CPU a reading",
    "readings a second",
    "RSS idle / online / full, MB",
    "CPU at 100/s",
    "uplink B a reading, full load / 100/s",
    "flash B a reading, online / stored / drained",
    "online: lost",
    "outage: lost, twice",
    "SIGKILL: lost, twice",
)
MISSING = "–"


def lines(results: Results) -> list[str]:
    reference = results.rows[0].per_cpu_second
    rows = [_cells(row, reference) for row in results.rows]
    # A scenario that nobody ran has no column.
    shown = [i for i in range(len(HEAD)) if i == 0 or any(set(row[i]) - set(f"{MISSING} /") for row in rows)]
    table = [[HEAD[i] for i in shown], *([row[i] for i in shown] for row in rows)]
    widths = [max(len(row[i]) for row in table) for i in range(len(shown))]
    ruled = [table[0], ["-" * width for width in widths], *table[1:]]
    return [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in ruled
    ]


def _cells(row: Row, reference: float | None) -> list[str]:
    ratio = reference / row.per_cpu_second if reference and row.per_cpu_second else None
    full = row.outage.rss_full if row.outage else None
    idle, flash = row.idle, row.flash
    return [
        f"{row.name} ({row.why})" if row.why else row.name,
        _number(row.per_cpu_second),
        _number(ratio, " ×", digits=2),
        _number(row.per_second),
        " / ".join(map(_number, (row.rss_idle, row.rss_peak, full))),
        _number(idle.core * 100 if idle else None, " %", digits=2),
        " / ".join(map(_number, (row.uplink_bytes, idle.uplink_bytes if idle else None))),
        " / ".join(
            map(
                _number,
                (idle.flash_bytes if idle else None, flash.store if flash else None, flash.drain if flash else None),
            )
        ),
        f"{sum(run.lost for run in row.online):,} of {row.messages:,}" if row.online else MISSING,
        f"{row.outage.lost:,}, {row.outage.twice:,} of {row.outage.messages:,}" if row.outage else MISSING,
        f"{row.killed.lost:,}, {row.killed.twice:,} of {row.killed.messages:,}" if row.killed else MISSING,
    ]


def _number(value: float | None, unit: str = "", digits: int = 0) -> str:
    if value is None:
        return MISSING
    return f"{value:,.{digits if value < 100 else 0}f}{unit}"
