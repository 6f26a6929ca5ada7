"""What stands at the far ends of the modelled spool: brokers that keep what is not acknowledged, and receivers."""

import random
from collections import deque
from collections.abc import Callable, Sequence

from collector.contracts import Intake, Outcome
from collector.intake import SourceIntake
from collector.reading import Decoded, Frame
from collector.segment import Part

WINDOW = 6


class Message(bytes):
    """A payload that knows which numbers its readings carry."""

    numbers: list[int]
    twin: bool
    """Its bytes are those of an earlier message."""

    def __new__(cls, content: bytes, numbers: list[int], twin: bool = False) -> "Message":
        made = super().__new__(cls, content)
        made.numbers, made.twin = numbers, twin
        return made


class Broker:
    """Hands over messages at QoS 1 and, with token 0, QoS 0; what is not acknowledged comes again, in order."""

    def __init__(
        self, name: str, take: Callable[[str, Message], None], promised: Callable[[Sequence[int]], None]
    ) -> None:
        self.name = name
        self.in_flight: dict[int, Message] = {}
        self.intake: SourceIntake
        self._take = take
        self._promised = promised
        self._transit: deque[int] = deque()
        """Acknowledgements that are under way to the broker."""
        self._handed: deque[int] = deque()
        """Tokens handed over in this connection and not acknowledged."""
        self._used: dict[int, bytes] = {}
        """What was sent last under each token."""
        self._last: dict[int, bytes] = {}
        """The same, without what the other end is known to have let go of."""

    @property
    def window(self) -> int:
        return WINDOW

    async def run(self, intake: Intake) -> None:
        """Driven by hand."""

    def pause(self, paused: bool) -> None: ...

    def acknowledge(self, tokens: Sequence[int]) -> None:
        for token in tokens:
            assert token == self._handed.popleft(), "acknowledged in order of arrival"
            self._promised(self.in_flight[token].numbers)
            self._transit.append(token)

    def decode(self, payload: bytes, topic: str | None = None) -> list[Decoded]:
        assert isinstance(payload, Message)
        self._take(self.name, payload)
        noise = bytes(payload[8:]).hex()
        return [Decoded(None, {"n": n, "noise": noise if n == payload.numbers[0] else ""}) for n in payload.numbers]

    def publish(self, messages: Sequence[tuple[Message, bool]], *, heard: bool = True) -> None:
        """Each with whether it is acknowledged; as many of these as the window has room for."""
        frames: list[Frame] = []
        for message, acknowledged in messages:
            if not acknowledged:
                frames.append(Frame(message, "t"))
                continue
            free = self._free()
            if message.twin:
                free = [token for token in free if self._last.get(token) != message]
                free.sort(key=lambda token: self._used.get(token) != message)
            if free:
                token = free[0]
                self.in_flight[token] = message
                self._last[token] = self._used[token] = message
                frames.append(Frame(message, "t", token))
        if heard:
            self._hand_over(frames)

    def repeatable(self) -> bytes | None:
        """What may be sent again as a new message, under the token it had: the other end has let go of it."""
        return next((self._used[token] for token in self._free() if token in self._used.keys() - self._last), None)

    def doubt(self) -> None:
        """The other end may remember again what it had let go of."""
        self._last = dict(self._used)

    def reconnect(self, *, present: bool, acknowledged: float = 0.0) -> list[int]:
        """Of the acknowledgements under way so many arrived; returns the numbers that a lost session lets go."""
        self.take_acknowledgements(round(len(self._transit) * acknowledged))
        self._transit.clear()
        self._handed.clear()
        gone = [] if present else [n for message in self.in_flight.values() for n in message.numbers]
        if not present:
            self.in_flight.clear()
            self._last.clear()
        self.intake.session(present)
        self._hand_over([Frame(message, "t", token, True) for token, message in self.in_flight.items()])
        return gone

    def take_acknowledgements(self, count: int | None = None) -> None:
        for _ in range(len(self._transit) if count is None else count):
            del self.in_flight[self._transit.popleft()]

    def ping(self, between: Callable[[], None]) -> None:
        """The other end asks; what is sent before the answer arrives before it."""
        asked = self.intake.asking()
        self.take_acknowledgements()
        let_go = [token for token in self._last if token not in self.in_flight] if asked else []
        between()
        if asked:
            self.intake.answered()
            for token in let_go:
                if token not in self.in_flight:
                    del self._last[token]

    def _free(self) -> list[int]:
        return [token for token in range(1, WINDOW + 1) if token not in self.in_flight]

    def _hand_over(self, frames: list[Frame]) -> None:
        self._handed.extend(frame.token for frame in frames if frame.token)
        if frames:
            self.intake.frames(frames)


class Receiver:
    """A sink's far end: what it has been given, and in which order."""

    def __init__(self) -> None:
        self.numbers: set[int] = set()
        self.newest: dict[str, int] = {}
        """By source, of those that came in order."""

    def answer(self, part: Part, answer: str, late: set[int], *, ordered: bool) -> Outcome:
        """Stores what it takes, and what it says of the part; what it refuses joins the `late`."""
        positions = list(range(part.lo, part.hi))
        half = len(positions) // 2
        kept, dead, outcome = positions, list[int](), Outcome()
        match answer:
            case "dead" | "too large":
                kept, dead = [], positions
            case "some dead":
                kept, dead = positions[1::2], positions[::2]
            case "partly":
                kept, dead = positions[:half], positions[half : half + 1]
                outcome = Outcome("retry", settled=kept)
            case "lost answer":
                outcome = Outcome("retry")
            case "retry":
                kept, outcome = [], Outcome("retry")
        outcome.dead = dict.fromkeys(dead, "bad")
        readings = part.segment.readings()
        for at in kept:
            number = readings[at].fields["n"]
            first = number not in self.numbers
            self.numbers.add(number)
            if first and ordered and number not in late:
                newest = self.newest.get(readings[at].source, 0)
                assert number > newest, f"{number} of {readings[at].source} comes after {newest}"
                self.newest[readings[at].source] = number
        late |= {readings[at].fields["n"] for at in dead}
        return outcome


def noise(number: int, size: int) -> bytes:
    """Bytes that do not compress, led by eight that no other number has."""
    return number.to_bytes(8, "big") + random.Random(number).randbytes(size)
