"""Registers that lie close together are asked for in one request: each request costs about as much as ten registers."""

from collections.abc import Iterable
from typing import NamedTuple

from collector.profiles.modbus.pdu import Request


class Span(NamedTuple):
    """The registers of one field."""

    function: int
    first: int
    quantity: int

    @property
    def end(self) -> int:
        return self.first + self.quantity

    def within(self, request: Request) -> bool:
        return (
            self.function == request.function
            and request.first <= self.first
            and self.end <= request.first + request.quantity
        )

    def request(self) -> Request:
        return Request(*self)


def group(spans: Iterable[Span], max_registers: int, max_gap: int) -> list[Request]:
    """Requests that cover every span whole, by function and register.

    None asks for more than `max_registers`, unless one span alone has more; between two spans of a request lie at most
    `max_gap` registers that nobody wants.
    """
    requests: list[Request] = []
    for span in sorted(set(spans)):
        last = requests[-1] if requests else None
        if last is not None and last.function == span.function:
            end = max(last.first + last.quantity, span.end)
            if span.first - (last.first + last.quantity) <= max_gap and end - last.first <= max_registers:
                requests[-1] = last._replace(quantity=end - last.first)
                continue
        requests.append(span.request())
    return requests


def split(request: Request, spans: Iterable[Span]) -> list[Request]:
    """What to ask instead where a device refuses a request for its addresses: first without gaps, then span by span.

    A span that is the request itself is let go: the device does not have it.
    """
    within = [span for span in set(spans) if span.within(request)]
    without_gaps = group(within, request.quantity, 0)
    if without_gaps != [request]:
        return without_gaps
    return sorted(span.request() for span in within if span.request() != request)
