"""A single value that stands as text: a number, nothing, or words."""

import math
import re

from collector.errors import FrameError
from collector.profiles.payload.numbers import HIGHEST, LOWEST

_INTEGER = re.compile(r"[+-]?[0-9]{1,20}")
_DECIMAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_NO_NUMBER = {"nan", "inf", "infinity"}
"""What C's printf and Arduino's print write for a sensor that is not there."""


def text(payload: bytes) -> str:
    """Raises FrameError for bytes that are not UTF-8."""
    try:
        return payload.decode()
    except UnicodeDecodeError as error:
        raise FrameError("utf-8", str(error)) from None


def value(word: str) -> int | float | str | None:
    """A number as a number, NaN and infinity as None, everything else as it is. Raises FrameError."""
    if _INTEGER.fullmatch(word) and LOWEST <= (whole := int(word)) <= HIGHEST:
        return whole
    if _DECIMAL.fullmatch(word):
        number = float(word)
        if math.isinf(number):
            raise FrameError("number", "a number beyond what a float can hold")
        return number
    return None if word.lstrip("+-").lower() in _NO_NUMBER else word
