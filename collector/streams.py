"""Standard input, output and error: always there, and an output that takes nothing is known as what it is."""

import io
import os
import sys
from typing import BinaryIO, TextIO


class Output(io.TextIOWrapper):
    """Standard output."""

    lost: OSError | None = None
    """Why it took nothing."""

    def write(self, text: str, /) -> int:
        try:
            return super().write(text)
        except OSError as error:
            self.lost = error
            raise

    def flush(self) -> None:
        try:
            super().flush()
        except OSError as error:
            self.lost = error
            raise

    def give_up(self) -> None:
        """What is left for it goes nowhere, and nothing is said of it at the end."""
        nowhere = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
        os.dup2(nowhere, self.fileno())
        os.close(nowhere)


def open_standard() -> None:
    """What was started without one of them must not get a socket or a file of its own in its place.

    Output is then opened for reading only, so that a command whose words would be lost fails, as it should.
    """
    for descriptor, flags in enumerate((os.O_RDONLY, os.O_RDONLY, os.O_WRONLY)):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, flags)  # takes the lowest number that is free
    sys.stdout = _output(sys.stdout)
    if sys.stderr is None:
        sys.stderr = io.TextIOWrapper(_binary(2), errors="backslashreplace", line_buffering=True)


def _output(found: TextIO | None) -> Output:
    if not isinstance(found, io.TextIOWrapper):
        return Output(_binary(1), encoding="utf-8")
    encoding, errors, by_line, through = found.encoding, found.errors, found.line_buffering, found.write_through
    return Output(found.detach(), encoding, errors, line_buffering=by_line, write_through=through)


def _binary(descriptor: int) -> BinaryIO:
    return os.fdopen(descriptor, "wb", closefd=False)
