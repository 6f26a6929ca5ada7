"""Lines for a person: coloured on a terminal, plain elsewhere, and never a control character of the device's."""

import sys
from collections.abc import Iterator, Sequence

from collector.commands.profiles.candidates import Candidate, best
from collector.commands.profiles.decode import as_json
from collector.errors import FrameError
from collector.profiles import Profile

PAYLOAD_SHOWN = 400
"""Characters of a message's payload."""

HEX_ROW = 16


class Output:
    def __init__(self) -> None:
        self._console = None
        if sys.stdout.isatty():
            from rich.console import Console

            self._console = Console(highlight=False, markup=False, emoji=False)

    def say(self, line: str, style: str = "") -> None:
        if self._console is not None:
            self._console.print(line, style=style, soft_wrap=True)
        else:
            print(line, flush=True)

    def data(self, at: float, data: bytes) -> None:
        """Bytes as they came, `at` seconds after the start."""
        for place, row in enumerate(_rows(data)):
            self.say(f"{f'{at:8.2f} s' if place == 0 else ' ' * 10}  {row}", "dim")

    def frame(self, profile: Profile, frame: bytes, topic: str | None = None) -> None:
        """What the profile reads out of it."""
        try:
            readings = profile.decode(frame, topic)
        except FrameError as error:
            self.say(f"    {len(frame)} bytes refused: {error.reason} ({printable(error.detail)})", "red")
            return
        for reading in readings:
            self.say(f"    {printable(as_json(profile, reading).decode())}", "green")
        if not readings:
            self.say("    no reading: of a kind the profile ignores", "yellow")

    def suggest(self, candidates: Sequence[Candidate]) -> None:
        fitting = best(candidates)
        self.say("Profiles that fit, the likeliest first:" if fitting else "No profile fits.", "bold")
        for one in fitting:
            self.say(f"  {one}")


def printable(text: str, limit: int | None = None) -> str:
    """Escaped where a terminal would obey instead of show."""
    shown = text if limit is None or len(text) <= limit else text[:limit] + "..."
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in shown)


def payload_text(payload: bytes) -> str:
    """A message's payload, as hex where it is no text."""
    try:
        return printable(payload.decode(), PAYLOAD_SHOWN)
    except UnicodeDecodeError:
        shown = payload[: PAYLOAD_SHOWN // 3].hex(" ")
        return shown if len(payload) <= PAYLOAD_SHOWN // 3 else f"{shown} ..."


def _rows(data: bytes) -> Iterator[str]:
    for at in range(0, len(data), HEX_ROW):
        row = data[at : at + HEX_ROW]
        text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
        yield f"{row.hex(' ').ljust(3 * HEX_ROW)} |{text}|"
