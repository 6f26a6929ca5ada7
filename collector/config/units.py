"""Durations ("5s", "1h", "20ms") and sizes ("256 MiB") as they stand in the configuration."""

import re

_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_QUANTITY = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*")


class Duration(float):
    """Seconds."""

    @classmethod
    def parse(cls, text: str) -> "Duration":
        """Raises ValueError with what to write instead."""
        return cls(_quantity(text, _SECONDS, 'a duration such as "5s", "20ms" or "1h"'))


class Size(int):
    """Bytes."""

    @classmethod
    def parse(cls, text: str) -> "Size":
        """Raises ValueError with what to write instead."""
        return cls(_quantity(text, _BYTES, 'a size such as "256 MiB" or "10 MB"'))


def _quantity(text: str, units: dict[str, float] | dict[str, int], wanted: str) -> float:
    match = _QUANTITY.fullmatch(text)
    if match is None or match[2] not in units:
        raise ValueError(f"{text!r} is not {wanted} (units: {', '.join(units)})")
    return float(match[1]) * units[match[2]]
