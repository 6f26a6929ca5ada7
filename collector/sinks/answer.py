"""What an HTTP answer says of the readings that were sent. No I/O."""

import re
from codecs import BOM_UTF8
from collections.abc import Callable, Mapping
from email.utils import mktime_tz, parsedate_tz
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import urlsplit

from collector.contracts import Outcome, Verdict

MOST_BODY = 64 * 1024
"""Bytes of an answer that are read."""
MOST_WORDS = 200

LONGEST_WAIT = 1e10
"""Seconds; nobody who says more means a number."""

TOO_LARGE = frozenset({400, 413, 422})
"""413 says it; 400 and 422 are split as well, down to the reading they are about."""
IN_FRONT = re.compile(rb"SSL certificate|plain HTTP|HTTP request to an HTTPS", re.IGNORECASE)
"""A 400 of nginx, Apache or Go's server about our certificate or http:// in url: it is no reading's fault."""
RETRY = frozenset({408, 409, 425, 429})
"""409: a request under the same key is still being worked on (draft-ietf-httpapi-idempotency-key-header, 2.7)."""


class Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    """Asked for by names in the usual spelling."""
    body: bytes
    whole: bool
    """False where the body goes on behind `body`, or broke off there."""


def outcome(answer: Answer, now: float, mask: Callable[[str], str] = str) -> Outcome:
    """`now` is Unix time, for a Retry-After that names a date. What is not understood keeps everything.

    `mask` takes our secrets out of the server's words.
    """
    status = answer.status
    if 200 <= status < 300:
        return _accepted(answer)
    if 300 <= status < 400:
        reason = f"{_title(status)}: redirects to {_target(answer, mask)}; correct url, or log in to the network here"
        return Outcome("retry", reason=reason)
    said = words(answer.body, mask)
    reason = f"{_title(status)}: {said}" if said else _title(status)
    verdict: Verdict = "hold" if 400 <= status < 500 else "retry"
    if status in TOO_LARGE and not (status == 400 and IN_FRONT.search(answer.body)):
        verdict = "too large"
    elif status in RETRY:
        verdict = "retry"
    delay = retry_after(answer.headers, now) if verdict == "retry" else 0.0
    return Outcome(verdict, reason=reason, delay=delay)


def retry_after(headers: Mapping[str, str], now: float) -> float:
    """Seconds; 0 for what is absent, past or no Retry-After at all. The back-off caps it."""
    value = headers.get("Retry-After", "").strip()
    if re.fullmatch("[0-9]+", value):
        return min(float(value), LONGEST_WAIT)
    until = _http_date(value)
    if until is None:
        return 0.0
    # By the server's own clock where it tells it: ours may be off by years.
    return max(0.0, until - (_http_date(headers.get("Date", "")) or now))


def words(text: bytes | str, mask: Callable[[str], str] = str) -> str:
    """What a server says, on one line and no longer than a person reads; masked before it is cut."""
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    text = mask(text)[: 8 * MOST_WORDS]
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:MOST_WORDS]


def _accepted(answer: Answer) -> Outcome:
    """Only what can be the ingest's own word counts: a captive portal says 200 to everything."""
    if not answer.whole:
        return Outcome("retry", reason=f"{_title(answer.status)}, with an answer of more than {MOST_BODY // 1024} KiB")
    # Whatever stands in the first bracket, a comment or <?xml: no ingest's own word begins like that.
    page = answer.body.removeprefix(BOM_UTF8).lstrip().startswith(b"<")
    if page or "html" in answer.headers.get("Content-Type", "").lower():
        return Outcome(
            "retry", reason=f"{_title(answer.status)}, but with a web page: a network's log-in, or a wrong url"
        )
    return Outcome()


def _title(status: int) -> str:
    """By our own list: the server's phrase may hold anything."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _target(answer: Answer, mask: Callable[[str], str]) -> str:
    try:
        host = urlsplit(answer.headers.get("Location", "")).hostname
    except ValueError:
        host = None
    return words(host, mask) if host else "another page"


def _http_date(value: str) -> float | None:
    try:
        parsed = parsedate_tz(value)
        return None if parsed is None else float(mktime_tz(parsed))
    except (ValueError, OverflowError, TypeError, IndexError):
        return None
