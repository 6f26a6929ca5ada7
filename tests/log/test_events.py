import logging
import re
from pathlib import Path

from collector.log.events import EVENTS, SOURCE_LOST

README = Path(__file__).parents[2] / "README.md"


def test_codes_and_ids_are_distinct_and_well_formed() -> None:
    assert len({event.code for event in EVENTS}) == len({event.message_id for event in EVENTS}) == len(EVENTS)
    for event in EVENTS:
        assert re.fullmatch(r"[a-z]+\.[a-z0-9_]+", event.code)
        assert re.fullmatch(r"[0-9a-f]{12}4[0-9a-f]{3}[89ab][0-9a-f]{15}", event.message_id)


def test_the_table_in_the_readme_is_what_is_logged() -> None:
    rows = re.findall(r"^\| `([a-z0-9._]+)` \| ([a-z]+) \| (.+) \| `([0-9a-f]+)` \|$", README.read_text(), re.MULTILINE)
    assert rows == [
        (event.code, logging.getLevelName(event.level).lower(), event.meaning, event.message_id) for event in EVENTS
    ]


def test_a_line_names_the_place_that_logged_it() -> None:
    seen: list[logging.LogRecord] = []

    class Seen(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append(record)

    handler = Seen()
    logging.getLogger("edge_collector").addHandler(handler)
    try:
        SOURCE_LOST.log("source %s: gone", "air", source="air")
    finally:
        logging.getLogger("edge_collector").removeHandler(handler)
    [record] = seen
    assert (record.funcName, record.getMessage()) == (
        "test_a_line_names_the_place_that_logged_it",
        "source air: gone",
    )
