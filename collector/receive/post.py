"""A batch as it was posted, and what is answered to it. Pure."""

import zlib
from typing import NamedTuple

from collector.receive.payload import UNREADABLE, Batch, TooLarge, batch, unfold

_GZIP = 16 + zlib.MAX_WBITS


class Refused(Exception):
    """One line for whoever posted; `status` is HTTP's."""

    def __init__(self, status: int, line: str) -> None:
        super().__init__(line)
        self.status = status


class Post(NamedTuple):
    key: str
    """`Idempotency-Key`: the same for every attempt at the same batch."""
    body: bytes | bytearray
    gzip: bool

    def unfolded(self) -> bytes | bytearray:
        """The JSON. Raises Refused."""
        if not self.gzip:
            return self.body
        try:
            return unfold(self.body, _GZIP)
        except TooLarge as error:
            raise Refused(413, str(error)) from None
        except UNREADABLE as error:
            raise Refused(400, _one_line(error)) from None

    def batch(self, unfolded: bytes | bytearray) -> Batch:
        """Raises Refused."""
        try:
            found = batch(unfolded)
        except UNREADABLE as error:
            raise Refused(400, _one_line(error)) from None
        if found.key != self.key:
            raise Refused(400, f"Idempotency-Key says {self.key}, the batch is {found.key}")
        return found


class Receipt(NamedTuple):
    stored: int
    duplicates: int
    repeated: bool = False
    """What was answered before, to the same key and body: this time nothing was stored."""


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
