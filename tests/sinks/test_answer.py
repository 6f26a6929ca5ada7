"""Status, headers and body become an outcome; nothing a server says can do more than be waited out."""

from http import HTTPStatus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.mask import Mask
from collector.sinks.answer import MOST_WORDS, Answer, outcome, retry_after, words

NOW = 1_800_000_000.0  # Fri, 15 Jan 2027 08:00:00 GMT


def said(status: int, body: bytes = b"", whole: bool = True, **headers: str) -> tuple[str, str, float]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    result = outcome(Answer(status, named, body, whole), NOW)
    assert not result.settled and not result.dead
    return result.verdict, result.reason, result.delay


@pytest.mark.parametrize(
    ("verdict", "statuses"),
    [
        ("settled", [200, 201, 202, 204, 207, 299]),
        ("retry", [300, 301, 302, 304, 307, 308, 408, 409, 425, 429, 500, 501, 502, 503, 504, 511, 599, 101, 600, 999]),
        ("too large", [400, 413, 422]),
        ("hold", [401, 402, 403, 404, 405, 406, 407, 410, 411, 415, 426, 431, 451, 499]),
    ],
)
def test_every_status_has_its_verdict(verdict: str, statuses: list[int]) -> None:
    for status in statuses:
        found, reason, _ = said(status)
        assert found == verdict, status
        assert verdict == "settled" or reason.startswith(str(status))


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"<html>", "text/plain"),
        (b"\xef\xbb\xbf\r\n<html>", "text/plain"),
        (b"<!-- welcome --><html>", "text/plain"),
        (b'<?xml version="1.0"?><html>', "text/plain"),
        (b"<meta http-equiv=refresh content=0>", "application/json"),
        (b"\r\n <!DOCTYPE HTML PUBLIC", ""),
        (b"welcome", "text/html; charset=utf-8"),
        (b"", "application/xhtml+xml"),
    ],
)
def test_a_captive_portal_takes_nothing(body: bytes, content_type: str) -> None:
    verdict, reason, _ = said(200, body, Content_Type=content_type)
    assert (verdict, "web page" in reason) == ("retry", True)


@pytest.mark.parametrize("body", [b"", b"{}", b"ok", b"OK <3", b"\xef\xbb\xbf{}", b'{"note":"<html>"}'])
def test_what_an_ingest_may_say(body: bytes) -> None:
    assert said(200, body, Content_Type="application/json") == ("settled", "", 0.0)


def test_an_answer_without_end_is_no_acceptance() -> None:
    assert said(200, b"{", whole=False)[:2] == ("retry", "200 OK, with an answer of more than 64 KiB")
    assert said(400, b"x" * 1000, whole=False)[0] == "too large"


@pytest.mark.parametrize(
    ("location", "named"),
    [
        ("https://login.example/?token=secret", "login.example"),
        ("/login", "another page"),
        ("", "another page"),
        ("http://[::1", "another page"),
    ],
)
def test_a_redirect_names_where_it_leads_and_no_more(location: str, named: str) -> None:
    verdict, reason, _ = said(302, Location=location)
    assert verdict == "retry"
    assert reason == f"302 Found: redirects to {named}; correct url, or log in to the network here"


@pytest.mark.parametrize(
    ("value", "date", "seconds"),
    [
        ("120", "", 120.0),
        (" 7 ", "", 7.0),
        ("Fri, 15 Jan 2027 08:01:30 GMT", "", 90.0),
        ("Fri, 15 Jan 2027 07:00:00 GMT", "", 0.0),
        ("Thu, 01 Jan 1970 00:01:00 GMT", "Thu, 01 Jan 1970 00:00:30 GMT", 30.0),
        ("9999999999", "", 9999999999.0),
        ("99999999999", "", 1e10),
        ("9" * 4000, "", 1e10),
        ("-5", "", 0.0),
        ("1.5", "", 0.0),
        ("inf", "", 0.0),
        ("soon", "", 0.0),
        ("\u0663", "", 0.0),
        ("Fri, 99 Foo 99999 99:99:99 GMT", "", 0.0),
        ("", "", 0.0),
    ],
)
def test_retry_after(value: str, date: str, seconds: float) -> None:
    assert retry_after({"Retry-After": value, "Date": date}, NOW) == seconds
    assert said(503, Retry_After=value, Date=date)[2] == seconds
    assert said(401, Retry_After=value, Date=date)[2] == 0.0


@given(st.text(), st.text())
def test_no_retry_after_is_too_odd(value: str, date: str) -> None:
    assert retry_after({"Retry-After": value, "Date": date}, NOW) >= 0.0


@given(st.binary())
def test_words_are_one_short_printable_line(body: bytes) -> None:
    line = words(body)
    assert len(line) <= MOST_WORDS
    assert line.isprintable()


@pytest.mark.parametrize(
    "body",
    [
        b"<head><title>400 No required SSL certificate was sent</title></head>",
        b"<head><title>400 The SSL certificate error</title></head>",
        b"<head><title>400 The plain HTTP request was sent to HTTPS port</title></head>",
        b"Reason: You're speaking plain HTTP to an SSL-enabled server port.<br />",
        b"Client sent an HTTP request to an HTTPS server.\n",
    ],
)
def test_what_never_reached_the_ingest_makes_no_dead_letters(body: bytes) -> None:
    assert said(400, body)[0] == "hold"


def test_the_servers_words_are_kept() -> None:
    assert said(422, b'{"error":\r\n\t"\x1b[31mn is no number"}')[1] == (
        # Python 3.13 has the phrase of RFC 9110, those before it the older one.
        f'422 {HTTPStatus.UNPROCESSABLE_ENTITY.phrase}: {{"error": " [31mn is no number"}}'
    )
    assert said(400, b"x" * 10_000)[1] == "400 Bad Request: " + "x" * 200


@pytest.mark.parametrize("body", [b"no such token: hunter2", b" " * 1597 + b"hunter2", b"x" * 195 + b"hunter2"])
def test_a_secret_that_the_server_repeats_is_masked_also_where_its_words_are_cut(body: bytes) -> None:
    result = outcome(Answer(401, {}, body, True), NOW, Mask(["hunter2"]))
    assert "hun" not in result.reason and "*" in result.reason


def test_a_secret_in_a_redirect_is_masked() -> None:
    result = outcome(Answer(302, {"Location": "https://hunter2.example/"}, b"", True), NOW, Mask(["hunter2"]))
    assert "redirects to ***.example;" in result.reason
