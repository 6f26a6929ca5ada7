"""Durations ("5s", "1h", "20ms") and sizes ("256 MiB") as they stand in the configuration."""

import re
from decimal import Decimal

from collector.config.findings import quoted

_SECONDS = {"us": "1e-6", "ms": "1e-3", "s": "1", "m": "60", "min": "60", "h": "3600", "d": "86400"}
_BYTES = {"B": "1", "kB": "1e3", "MB": "1e6", "GB": "1e9"} | {
    "KiB": "1024",
    "MiB": f"{2**20}",
    "GiB": f"{2**30}",
}
_QUANTITY = re.compile(r" *([0-9]+(?:\.[0-9]+)?) *([A-Za-z]*) *")

# Far beyond any use, and small enough that no clock, counter or system call downstream overflows.
_LONGEST_SECONDS = 100 * 366 * 86400
_LARGEST_BYTES = 2**50


class Duration(float):
    """Seconds."""

    @classmethod
    def parse(cls, text: str) -> "Duration":
        """Raises ValueError with what to write instead."""
        return cls(_quantity(text, _SECONDS, 'a duration such as "5s", "20ms" or "1h"', _LONGEST_SECONDS))

    def text(self) -> str:
        """As one writes it: the largest unit that needs no fraction."""
        for unit in ("d", "h", "m", "s", "ms", "us"):
            count = round(self / float(_SECONDS[unit]))
            if count > 0 and float(count * Decimal(_SECONDS[unit])) == self:
                return f"{count}{unit}"
        return f"{_decimal(self)}s"


class Size(int):
    """Bytes."""

    @classmethod
    def parse(cls, text: str) -> "Size":
        """Raises ValueError with what to write instead."""
        return cls(_quantity(text, _BYTES, 'a size such as "256 MiB" or "10 MB"', _LARGEST_BYTES))

    def text(self) -> str:
        """As one writes it: the largest unit that needs no fraction."""
        for unit in ("GiB", "GB", "MiB", "MB", "KiB", "kB"):
            count, rest = divmod(self, int(Decimal(_BYTES[unit])))
            if self > 0 and rest == 0:
                return f"{count} {unit}"
        return f"{int(self)} B"


def _quantity(text: str, units: dict[str, str], wanted: str, limit: int) -> Decimal:
    match = _QUANTITY.fullmatch(text)
    if match is None or match[2] not in units:
        raise ValueError(f"{quoted(text)} is not {wanted}; units: {', '.join(units)}")
    # Decimal, so that "0.1s" and "100ms" are the same number, to the last bit.
    value = Decimal(match[1]) * Decimal(units[match[2]])
    if value > limit:
        raise ValueError(f"{quoted(text)} is more than any use; give less")
    return value


def _decimal(value: float) -> str:
    """The shortest exact text of a float, without an exponent."""
    return format(Decimal(float.__repr__(value)), "f").removesuffix(".0")
