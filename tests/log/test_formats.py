import json

import pytest

from collector.log import events, formats
from tests.log.records import record


def fields(datagram: bytes) -> dict[str, str]:
    """A reader of journald's native protocol, written from its description."""
    found = {}
    while datagram:
        line, _, rest = datagram.partition(b"\n")
        if b"=" in line:
            name, _, value = line.partition(b"=")
            datagram = rest
        else:
            name, size = line, int.from_bytes(rest[:8], "little")
            value, end, datagram = rest[8 : 8 + size], rest[8 + size : 9 + size], rest[9 + size :]
            assert end == b"\n"
        found[name.decode()] = value.decode()
    return found


def test_ecs_holds_what_ecs_logging_demands_first_and_in_its_order() -> None:
    line = formats.ecs(record(events.SINK_BACKOFF, "sink %s: refused", "cloud", sink="cloud"), 0)
    assert line.endswith(b"}\n") and line.count(b"\n") == 1
    said = json.loads(line)
    assert list(said)[:4] == ["@timestamp", "log.level", "message", "ecs.version"]
    assert said["@timestamp"] == "2026-01-02T15:04:05.678Z"
    assert said["log.level"] == "warning"
    assert said["message"] == "sink cloud: refused"
    assert said["service.name"] == "edge-collector"
    assert said["event.action"] == "sink.backoff"
    assert said["labels"] == {"sink": "cloud"}


def test_what_a_library_logs_has_no_event() -> None:
    said = json.loads(formats.ecs(record(None, "something"), 0))
    assert "event.action" not in said and "labels" not in said


def test_journald_gets_its_fields() -> None:
    found = fields(formats.journal(record(events.SOURCE_LOST, "source %s: gone", "air", source="air"), 3))
    assert found["MESSAGE"] == "source air: gone (and 3 more like it, left out)"
    assert found["PRIORITY"] == "4"
    assert found["MESSAGE_ID"] == events.SOURCE_LOST.message_id
    assert found["EVENT"] == "source.lost"
    assert found["SYSLOG_IDENTIFIER"] == "edge-collector"
    assert (found["CODE_FILE"], found["CODE_LINE"], found["CODE_FUNC"]) == ("/a/file.py", "7", "function")
    assert (found["SOURCE"], found["SUPPRESSED"]) == ("air", "3")


def test_text_is_short_and_coloured_only_where_asked() -> None:
    plain = formats.text(record(events.SINK_HELD, "sink cloud: held"), 0).decode()
    assert plain[8:] == " error    sink cloud: held\n"
    assert plain[2] == plain[5] == ":"
    coloured = formats.coloured_text(record(events.SINK_HELD, "sink cloud: held"), 0).decode()
    assert "\x1b[31merror   \x1b[0m sink cloud: held\n" in coloured


HOSTILE = "x\nMESSAGE_ID=forged\r\x1b[2J\u2028\ud800"


@pytest.mark.parametrize("form", [formats.text, formats.ecs, formats.journal])
def test_what_a_far_end_says_forges_no_line(form: formats.Format) -> None:
    """Line breaks, escape sequences and halves of characters come through as their escapes."""
    line = form(record(events.SINK_BACKOFF, "%s", HOSTILE, sink=HOSTILE), 0)
    assert b"\x1b" not in line and b"\r" not in line
    assert b"\nMESSAGE_ID=forged" not in line
    assert rb"x\nMESSAGE_ID=forged\r\x1b[2J\u2028\ud800" in line.replace(b"\\\\", b"\\")


def test_a_message_is_bounded() -> None:
    long = record(events.SINK_BACKOFF, "%s", "x" * 1_000_000, sink="y" * 1_000_000)
    for form in (formats.text, formats.ecs, formats.journal):
        assert len(form(long, 0)) < 4 * formats.LONGEST


def test_a_traceback_stays_with_its_line() -> None:
    try:
        raise ValueError("no\nsuch thing")
    except ValueError:
        made = record(events.INTERNAL_ERROR, "internal error", error=True)
    said = json.loads(formats.ecs(made, 0))
    assert said["message"] == "internal error"
    assert (said["error.type"], said["error.message"]) == ("ValueError", "no\\nsuch thing")
    assert "in test_a_traceback_stays_with_its_line" in said["error.stack_trace"]
    message = fields(formats.journal(made, 0))["MESSAGE"]
    assert message.startswith("internal error\nTraceback (most recent call last):\n")
