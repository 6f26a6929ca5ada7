"""Captured frames beside a profile, with what they must give: the profile's own tests."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from collector.errors import ConfigurationError
from collector.profiles.decode import decode
from collector.profiles.library import parse
from collector.profiles.options import Options
from collector.profiles.profile import Profile
from collector.profiles.table import Hex, Table, read


class ExpectedReading(Table, frozen=True, kw_only=True):
    """TOML has no null, so the fields that must be null are listed by name."""

    fields: dict[str, Any] = {}
    null: list[str] = []
    units: dict[str, str] = {}
    device: str | None = None
    time_ns: int | None = None
    suspect: list[str] = []


class Case(Table, frozen=True, kw_only=True):
    """One capture. A list of `hex` or `text` holds the bytes read by read."""

    citation: str
    hex: str | list[str] | None = None
    text: str | list[str] | None = None
    topic: str | None = None
    request: Hex | None = None
    """The Modbus request that was answered."""
    options: Options = Options()
    readings: list[ExpectedReading] = []
    refused: dict[str, int] = {}
    """Reason -> complete frames refused for it."""
    incomplete: bool = False
    ignored: int = 0
    garbage_bytes: int | None = None
    """None: not looked at."""

    def mistakes(self) -> Iterable[tuple[str, str]]:
        if (self.hex is None) == (self.text is None):
            yield "hex", "a case has either hex or text"
            return
        try:
            self.reads()
        except ValueError as error:
            yield "hex", str(error)

    def reads(self) -> list[bytes]:
        """Raises ValueError for hex that is none."""
        if self.hex is not None:
            return [Hex.parse(one) for one in _listed(self.hex)]
        return [one.encode() for one in _listed(self.text or "")]

    def differences(self, profile: Profile, reads: Iterable[bytes] | None = None) -> list[str]:
        """What came out otherwise than expected, one a line; `reads` splits the same bytes differently."""
        profile = profile.fresh().with_options(self.options)
        if self.request is not None:
            profile = profile.answering(self.request)
        result = decode(profile, self.reads() if reads is None else reads, self.topic)
        expected = {
            "readings": [
                (one.device, one.fields | dict.fromkeys(one.null), one.units, one.time_ns, one.suspect)
                for one in self.readings
            ],
            "refused": self.refused,
            "incomplete": self.incomplete,
            "ignored": self.ignored,
            "garbage_bytes": result.garbage_bytes if self.garbage_bytes is None else self.garbage_bytes,
        }
        actual = {
            "readings": [
                (one.device, one.fields, profile.units_of(one), one.time_ns, one.suspect or [])
                for one in result.readings
            ],
            "refused": dict(result.refused),
            "incomplete": result.incomplete,
            "ignored": result.ignored,
            "garbage_bytes": result.garbage_bytes,
        }
        return [
            f"{what}: expected {expected[what]!r}, got {actual[what]!r}"
            for what in expected
            if expected[what] != actual[what]
        ]


def cases(folder: Path) -> dict[str, Case]:
    """The cases of the profile in `folder` by file name. Raises ConfigurationError with every mistake."""
    mistakes: list[str] = []
    found: dict[str, Case] = {}
    for file in sorted(folder.glob("cases/*.toml")):
        wrong: list[str] = []
        case = read(parse(file), Case, wrong)
        mistakes += [f"{file}: {mistake}" for mistake in wrong]
        if case is not None:
            found[file.stem] = case
    if mistakes:
        raise ConfigurationError(mistakes)
    return found


def _listed(one_or_more: str | list[str]) -> list[str]:
    return one_or_more if isinstance(one_or_more, list) else [one_or_more]
