"""The demo as lines of text."""

from collector.demo.moment import Moment, Verdict

EVERY = 2.0
"""Seconds between lines of figures."""


class PlainView:
    """Events as they come, figures every few seconds."""

    def __init__(self) -> None:
        self._due = 0.0

    def event(self, at: float, text: str, *, bad: bool = False) -> None:
        print(f"{at:6.1f} s  {'! ' if bad else '* '}{text}", flush=True)

    def show(self, moment: Moment) -> None:
        if moment.seconds < self._due:
            return
        self._due = moment.seconds + EVERY
        books = moment.ledger
        print(
            f"{moment.seconds:6.1f} s    sent {sum(moment.sent.values())}  received {books.received}  "
            f"pending {books.pending}  delivered {books.delivered}  stored {moment.stored}  "
            f"uplink {'CUT' if moment.uplink_cut else 'up'}{'' if moment.daemon_pid else '  daemon DEAD'}",
            flush=True,
        )

    def conclude(self, verdict: Verdict) -> None:
        for line in verdict.lines():
            print(line, flush=True)

    def close(self) -> None:
        pass
