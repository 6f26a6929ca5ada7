"""Table and picture show what was measured, and say of the rest why it was not."""

from pathlib import Path
from xml.etree import ElementTree

from tests.bench import picture, table
from tests.bench.results import Ceiling, Results, Row, load
from tests.bench.scenarios import Fault, Online, Outage


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


def results(*rows: Row) -> Results:
    return Results("2026-11-23", "2 x86_64 cores", Ceiling(1e5, 4e6, 1e5, 5e5), list(rows))


OURS = Row("Edge Collector, batch", online=[online(100_000), online(300_000), online(200_000)])
PEER = Row(
    "a bridge & more",
    remark="It merges.",
    online=[online(50_000)],
    outage=Outage(messages=1000, lost=1000, twice=0, repeated=0, rss_full=84, drain_seconds=2),
    killed=Fault(messages=1000, lost=0, twice=3, repeated=0),
)
ABSENT = Row("Node-RED", why="not installed: apt-get install nodejs npm")


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_the_table_compares_medians_with_the_first_row() -> None:
    head, _, ours, peer, _ = map(cells, table.lines(results(OURS, PEER, ABSENT)))
    assert (ours[1], peer[1]) == ("200,000", "50,000")
    assert (ours[2], peer[2]) == ("1.00 ×", "4.00 ×")
    assert peer[head.index("outage: lost, twice")] == "1,000, 0 of 1,000"


def test_a_scenario_nobody_ran_has_no_column() -> None:
    assert not [title for title in cells(table.lines(results(OURS))[0]) if "flash" in title or "outage" in title]


def test_a_peer_that_is_not_there_is_named_with_the_reason() -> None:
    assert "Node-RED (not installed: apt-get install nodejs npm)" in table.lines(results(OURS, ABSENT))[-1]
    assert "not installed: apt-get install nodejs npm" in texts(picture.svg(results(OURS, ABSENT)))


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
