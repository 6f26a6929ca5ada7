"""Table and picture show what was measured, and say of the rest why it was not."""

from pathlib import Path
from xml.etree import ElementTree

from tests.bench import picture, sweeps, table
from tests.bench.results import Ceiling, Results, Row, load
from tests.bench.scenarios import Fault, Online, Outage
from tests.bench.sweeps import Point


def online(per_cpu_second: float) -> Online:
    return Online(
        messages=1000,
        per_cpu_second=per_cpu_second,
        per_second=20_000,
        uplink_bytes=9.5,
        rss_idle=38,
        rss_peak=55,
        lost=0,
    )


def outage(lost: int) -> Outage:
    return Outage(
        messages=1000,
        lost=lost,
        twice=0,
        repeated=0,
        rss_full=84,
        drain_seconds=2,
        store_cpu=1e-5,
        drain_cpu=2e-5,
    )


def results(*rows: Row) -> Results:
    return Results("2026-11-23", "2 x86_64 cores", Ceiling(1e5, 4e6, 1e5, 5e5, 0.0005, 0.002), list(rows))


OURS = Row("Edge Collector, batch", online=[online(100_000), online(300_000), online(200_000)])
PEER = Row(
    "a bridge & more",
    remark="It merges.",
    online=[online(50_000)],
    outage=[outage(lost=900), outage(lost=1000)],
    killed=[Fault(messages=1000, lost=0, twice=3, repeated=0)],
)
ABSENT = Row("Node-RED", why="not installed: apt-get install nodejs npm")


def column(lines: list[str], name: str) -> dict[str, str]:
    """By the title of the line."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {row[0]: row[rows[0].index(name)] for row in rows}


def tables(*rows: Row) -> tuple[list[str], list[str]]:
    """Figures, and ratios."""
    figures, ratios = "\n".join(table.lines(results(*rows))).split("\n\n")[:2]
    return figures.splitlines(), ratios.splitlines()


def test_the_table_gives_medians_with_their_spread_and_the_worst_of_faults() -> None:
    figures, _ = tables(OURS, PEER)
    ours, peer = column(figures, OURS.name), column(figures, PEER.name)
    assert ours["throughput, readings a CPU-second"] == "200,000 (100,000..300,000)"
    assert peer["throughput, readings a CPU-second"] == "50,000"
    assert ours["outage: lost, twice"] == "–"
    assert peer["outage: lost, twice"] == "1,000, 0 of 1,000"


def test_ratios_are_those_of_the_medians_to_the_first_row() -> None:
    _, ratios = tables(OURS, PEER, ABSENT)
    assert column(ratios, OURS.name)["throughput"] == "1.00 ×"
    assert column(ratios, PEER.name)["throughput"] == "0.25 ×"
    assert column(ratios, ABSENT.name)["throughput"] == "–"


def test_what_nobody_measured_has_no_line() -> None:
    figures, _ = tables(OURS)
    assert not [title for title in column(figures, OURS.name) if "flash" in title or "outage" in title]


def test_a_peer_that_is_not_there_is_named_with_the_reason() -> None:
    assert "Node-RED: not installed: apt-get install nodejs npm" in table.lines(results(OURS, ABSENT))
    assert "not installed: apt-get install nodejs npm" in texts(picture.svg(results(OURS, ABSENT)))


def test_a_sweep_is_a_table_of_medians() -> None:
    points = [Point("E", "topics", 10_000, [6.0, 4.0, 5.0], 50), Point("E", "topics", 1, [4.0], 40)]
    assert sweeps.lines(points)[2:] == ["| 1 | 4.0 | 40 |", "| 10,000 | 5.0 (4.0..6.0) | 50 |"]


def test_the_picture_shows_figures_and_what_faults_cost() -> None:
    shown = texts(picture.svg(results(OURS, PEER)))
    assert {"a bridge & more", "200,000", "50,000", "100 % lost", "0 twice", "0 lost", "3 twice", "It merges."} <= set(
        shown
    )


def test_results_are_kept(tmp_path: Path) -> None:
    kept = results(OURS, PEER, ABSENT)
    kept.save(tmp_path / "results.json")
    assert load(tmp_path / "results.json") == kept


def texts(svg: str) -> list[str]:
    return [
        "".join(element.itertext()) for element in ElementTree.fromstring(svg).iter() if element.tag.endswith("text")
    ]
