"""What came of what arrived, counted for people."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

COMPLAIN_EVERY = 60.0
"""Seconds between two lines about what holds no readings; every one is counted."""

LONGEST_FAULT = 500
"""Characters."""


@dataclass
class Tally:
    """`states` holds what collectors said of themselves, by status topic."""

    messages: int = 0
    requests: int = 0
    readings: int = 0
    stored: int = 0
    duplicates: int = 0
    invalid: int = 0
    states: dict[str, str] = field(default_factory=dict)
    fault: str = ""
    """The last invalid message or request: where it came and what is wrong with it."""

    def add(self, other: "Tally") -> None:
        self.messages += other.messages
        self.requests += other.requests
        self.readings += other.readings
        self.stored += other.stored
        self.duplicates += other.duplicates
        self.invalid += other.invalid
        self.states |= other.states
        self.fault = other.fault or self.fault

    def counts(self) -> dict[str, int]:
        return {
            "messages": self.messages,
            "requests": self.requests,
            "readings": self.readings,
            "stored": self.stored,
            "duplicates": self.duplicates,
            "invalid": self.invalid,
        }

    def __str__(self) -> str:
        return "  ".join(f"{name} {count}" for name, count in self.counts().items())


class Account:
    """All that has been committed since the start, and a line for what is worth one."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.total = Tally()
        self._say = say
        self._complained = float("-inf")

    def add(self, tally: Tally) -> None:
        for topic, state in tally.states.items():
            if self.total.states.get(topic) != state:
                self._say(_printable(f"{topic}: {state}"))
        self.total.add(tally)
        now = time.monotonic()
        if tally.invalid and now - self._complained >= COMPLAIN_EVERY:
            self._complained = now
            self._say(f"no readings in {_printable(tally.fault)}; {self.total.invalid} invalid so far")


def _printable(text: str) -> str:
    """Strangers write what a terminal would obey."""
    return "".join(character if character.isprintable() else " " for character in text[:LONGEST_FAULT])
