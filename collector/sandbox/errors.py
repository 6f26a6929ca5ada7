"""What stops a wall from being raised. The daemon works on without it, and says so."""

from collector.errors import CollectorError


class Unavailable(CollectorError):
    """This machine lacks what a wall stands on."""

    def __init__(self, lacking: str, remedy: str) -> None:
        super().__init__(f"{lacking}; {remedy}")
