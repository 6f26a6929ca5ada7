"""What can go wrong between us and a broker."""

from typing import TYPE_CHECKING

from collector.errors import CollectorError
from collector.mqtt import reason

if TYPE_CHECKING:
    from collector.mqtt.packets import Packet


class ProtocolError(CollectorError):
    """The bytes of the far end are not MQTT as we agreed to speak it; the connection cannot go on.

    `reason_code` is what our DISCONNECT should say (MQTT 5 §4.13); `before` holds the sound packets that
    the same `feed` found ahead of the error.
    """

    def __init__(self, message: str, reason_code: int = reason.MALFORMED_PACKET) -> None:
        super().__init__(message)
        self.reason_code = reason_code
        self.before: list[Packet] = []


class SessionError(CollectorError):
    """A connection could not be made, or was lost. One line: which broker, what, why.

    `reason_code` is the broker's own where it gave one; `unanswered`: not a word came in answer to CONNECT.
    """

    def __init__(self, message: str, reason_code: int | None = None, *, unanswered: bool = False) -> None:
        super().__init__(message)
        self.reason_code = reason_code
        self.unanswered = unanswered

    @property
    def hold(self) -> bool:
        """Trying again changes nothing until somebody acts: on credentials, access lists, the URL."""
        return reason.of_connection(self.reason_code) == "hold"

    @property
    def delay(self) -> float:
        """Seconds that the broker should have before the next attempt."""
        return reason.SLOW if reason.of_connection(self.reason_code) == "slow" else 0.0
