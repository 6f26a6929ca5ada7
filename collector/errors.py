"""What can go wrong, classed once, at the place that knows.

CollectorError             one line: what, where, what to do
├── ConfigurationError     the operator's files; every mistake found, not only the first
├── FrameError             one frame is not what its profile says; carries the counter's reason
├── SourceError            a source cannot be opened or was lost; the wiring tries again
├── SinkError              a sink cannot be reached or was lost; the wiring tries again
└── SpoolError             the disk side cannot go on; the process ends and the next start verifies
    ├── SpoolRefused       somebody must see to it first: in use, of a newer version, not ours to write
    ├── DiskUnavailable    full, read-only or locked: nothing is lost, and it is tried again
    └── SpoolDamaged       the database cannot be read: put aside, what is readable taken over
"""


class CollectorError(Exception):
    """One line a person can act on."""


class ConfigurationError(CollectorError):
    """All mistakes of a configuration, one a line, each with file, key and what to do."""

    def __init__(self, mistakes: list[str]) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = mistakes


class FrameError(CollectorError):
    """A frame was refused; `reason` is the label of `frames_invalid_total` (short, from a fixed set)."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class SourceError(CollectorError):
    """A source could not be opened, or was lost. `delay`: seconds before it is worth another try."""

    def __init__(self, message: str, *, delay: float = 0.0) -> None:
        super().__init__(message)
        self.delay = delay


class SinkError(CollectorError):
    """A sink could not be reached, or was lost. `hold`: it refuses us, so keep everything and tell the operator.

    `delay`: seconds before it is worth another try.
    """

    def __init__(self, message: str, *, hold: bool = False, delay: float = 0.0) -> None:
        super().__init__(message)
        self.hold = hold
        self.delay = delay


class SpoolError(CollectorError):
    """The spool cannot keep its promise any longer."""


class SpoolRefused(SpoolError):
    """The data directory is not one to work in until somebody has seen to it."""


class DiskUnavailable(SpoolError):
    """The disk takes nothing for the moment; what was asked has not happened, and may be asked again."""


class SpoolDamaged(SpoolError):
    """The database is damaged or not one of ours."""
