"""The demo on a terminal: one picture that stays in place, and the ledger at the end."""

from collections.abc import Sequence

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from collector.demo.moment import Moment, Verdict

BLOCKS = " ▁▂▃▄▅▆▇█"
CHART_ROWS = 4
PANEL_ROWS = 4
OTHER_ROWS = 16
"""Rows that everything but the events takes."""


class ScreenView:
    """Redrawn at every look and every event."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._events: list[Text] = []
        self._moment = Moment()
        self._live = Live(console=self._console, auto_refresh=False)
        self._live.start()

    def event(self, at: float, text: str, *, bad: bool = False) -> None:
        style = "bold red" if bad else ""
        self._events.append(Text.assemble((f"{at:6.1f} s  ", "dim"), (text, style), no_wrap=True))
        self._live.update(self._picture(), refresh=True)

    def show(self, moment: Moment) -> None:
        self._moment = moment
        self._live.update(self._picture(), refresh=True)

    def conclude(self, verdict: Verdict) -> None:
        self.close()
        books = verdict.ledger
        table = Table(title="The books of the collector", title_justify="left", title_style="bold")
        figures = {
            "received": books.received,
            "delivered": books.delivered,
            "pending": books.pending,
            "dropped": sum(books.dropped.values()),
            "dead": books.dead,
            "remainder": books.remainder,
            "in the cloud": verdict.stored,
        }
        for name in figures:
            table.add_column(name, justify="right")
        table.add_row(*(f"{figure:,}" for figure in figures.values()))
        self._console.print(table)
        style = "bold green" if verdict.code == 0 else "bold red"
        for at, line in enumerate(verdict.lines(ledger=False)):
            self._console.print(Text(line, style=style if at < 3 else ""))

    def close(self) -> None:
        self._live.stop()

    def _picture(self) -> RenderableType:
        moment = self._moment
        shown = max(4, self._console.height - OTHER_ROWS)
        return Group(
            self._headline(moment),
            self._way(moment),
            self._chart(moment.history),
            Panel(Group(*self._events[-shown:]), title="events", title_align="left", border_style="dim"),
        )

    def _headline(self, moment: Moment) -> Table:
        line = Table.grid(padding=(0, 2), expand=True)
        line.add_column(ratio=1)
        line.add_column(justify="right")
        seconds = min(max(moment.seconds, 0.0), moment.of)
        line.add_row(ProgressBar(total=moment.of or 1.0, completed=seconds), f"{seconds:.0f} of {moment.of:.0f} s")
        return line

    def _way(self, moment: Moment) -> Table:
        books = moment.ledger
        sensors = _figures(
            *((name, f"{count:,}") for name, count in moment.sent.items()),
            ("host", f"{moment.read.get('host', 0):,}"),
            ("unheard", f"{moment.unheard:,}"),
        )
        pid = str(moment.daemon_pid) if moment.daemon_pid else "DEAD"
        collector = _figures(("pid", pid), ("received", f"{books.received:,}"), ("in", f"{moment.rate_in:.0f}/s"))
        spool = _figures(("pending", f"{books.pending:,}"), ("delivered", f"{books.delivered:,}"))
        cloud = _figures(("stored", f"{moment.stored:,}"), ("in", f"{moment.rate_out:.0f}/s"))
        alive = "green" if moment.daemon_pid else "bold red"
        cut = moment.uplink_cut
        row: list[RenderableType] = [
            Panel(sensors, title="sensors", border_style="cyan"),
            _arrow("", "cyan"),
            Panel(collector, title="collector", border_style=alive),
            _arrow("", alive),
            Panel(spool, title="spool", border_style="yellow" if cut else alive),
            _arrow("CUT" if cut else "up", "bold red" if cut else "green"),
            Panel(cloud, title="cloud", border_style="cyan"),
        ]
        way = Table.grid(expand=True)
        for place in range(len(row)):
            way.add_column(ratio=None if place % 2 else 1, vertical="middle")
        way.add_row(*row)
        return way

    def _chart(self, history: Sequence[int]) -> Panel:
        width = max(10, self._console.width - 4)
        latest = list(history)[-width:]
        highest = max([*latest, 1])
        rows = bars(latest, highest, CHART_ROWS)
        return Panel(
            Text("\n".join(rows), style="red" if self._moment.uplink_cut else "green"),
            title=f"pending readings, up to {highest:,}",
            title_align="left",
            border_style="dim",
        )


def bars(values: Sequence[int], highest: int, rows: int) -> list[str]:
    """A column for each value, from the top row to the bottom; the smallest that is not 0 can be seen."""
    steps = len(BLOCKS) - 1
    heights = [-(-value * rows * steps // highest) for value in values]
    return [
        "".join(BLOCKS[min(max(height - row * steps, 0), steps)] for height in heights) for row in reversed(range(rows))
    ]


def _figures(*pairs: tuple[str, str]) -> Table:
    """As many rows in every panel, so that their frames end on one line."""
    table = Table.grid(padding=(0, 1), expand=True)
    table.add_column()
    table.add_column(justify="right")
    for name, figure in (*pairs, *[("", "")] * (PANEL_ROWS - len(pairs))):
        table.add_row(name, Text(figure, style="bold red" if figure == "DEAD" else "bold"))
    return table


def _arrow(label: str, style: str) -> Text:
    shaft = "━✂ ━" if label == "CUT" else "━━━▶"
    return Text(f"{label:^4}\n{shaft}\n", style=style, justify="center")
