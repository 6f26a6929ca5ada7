"""What came out at the far end: which numbers are there, which came twice, in whatever form they were sent."""

import re
import time
import zlib
from array import array
from collections.abc import Sequence

from tests.bench.messages import FIRST, PROBE

_NUMBERS = re.compile(rb'"n":"?(\d{9})')
_IDS = re.compile(rb'"id":"([^"]+)"')
_SEQS = re.compile(rb'"seq":(\d+)')
_EPOCH = re.compile(rb'"epoch":"([0-9a-f]+)"')
_ZLIB = 0x78


class Arrivals:
    """Counts of `expected` numbers from FIRST on.

    Readings that carry an identity are known again by it, as a receiver would: what comes again under the
    same one is `repeated`, under another one `twice`. Where there is none, every further copy is `twice`.
    """

    def __init__(self, expected: int) -> None:
        """`when` tells of each number the time on the monotonic clock at which it came first, 0 for never."""
        self.expected = expected
        self.unique = 0
        self.twice = 0
        self.repeated = 0
        self.probes = 0
        self.when = array("d", bytes(8 * expected))
        self._copies = bytearray(expected)
        self._identities: set[bytes] = set()

    @property
    def lost(self) -> int:
        return self.expected - self.unique

    def take(self, payloads: Sequence[bytes]) -> None:
        plain = []
        for payload in payloads:
            if payload and payload[0] == _ZLIB:
                self._batch(zlib.decompress(payload))
            else:
                plain.append(payload)
        joined = b"\n".join(plain)
        self._count(_NUMBERS.findall(joined), _IDS.findall(joined))

    def _batch(self, body: bytes) -> None:
        epoch = _EPOCH.search(body)
        prefix = epoch[1] + b"/" if epoch else b""
        self._count(_NUMBERS.findall(body), [prefix + seq for seq in _SEQS.findall(body)])

    def _count(self, numbers: list[bytes], identities: list[bytes]) -> None:
        if identities:
            fresh = []
            for number, identity in zip(numbers, identities, strict=True):
                if identity not in self._identities:
                    self._identities.add(identity)
                    fresh.append(number)
            self.repeated += len(numbers) - len(fresh)
            numbers = fresh
        copies, expected, when, now = self._copies, self.expected, self.when, time.monotonic()
        for index in [int(number) - FIRST for number in numbers]:
            if 0 <= index < expected:
                if copies[index]:
                    self.twice += 1
                else:
                    copies[index] = 1
                    when[index] = now
                    self.unique += 1
            elif index >= PROBE - FIRST:
                self.probes += 1
