"""Requests for registers and what a reply to one of them says (MODBUS Application Protocol V1.1b3)."""

from typing import Literal, NamedTuple

from collector.errors import FrameError

RegisterTable = Literal["input", "holding"]

FUNCTIONS: dict[RegisterTable, int] = {"holding": 0x03, "input": 0x04}
MOST_REGISTERS = 125
"""A reply of more would not fit into a frame (6.3, 6.4)."""
REFUSED = 0x80
"""Added to the function code of a reply that says no."""
ILLEGAL_ADDRESS = 2
NOT_NOW = frozenset({5, 6, 10, 11})
"""Exceptions by which the device, or the gateway ahead of it, says that the answer is not to be had at present."""

EXCEPTIONS = {
    1: "illegal function",
    ILLEGAL_ADDRESS: "illegal data address",
    3: "illegal data value",
    4: "device failure",
    5: "acknowledge",
    6: "device busy",
    8: "memory parity error",
    10: "gateway path unavailable",
    11: "gateway target failed to respond",
}


class Request(NamedTuple):
    """Asks for `quantity` registers from `first` on."""

    function: int
    first: int
    quantity: int

    def encode(self) -> bytes:
        return bytes([self.function]) + self.first.to_bytes(2, "big") + self.quantity.to_bytes(2, "big")

    @classmethod
    def decode(cls, pdu: bytes) -> "Request":
        """Raises ValueError for what does not ask for registers."""
        if len(pdu) != 5 or pdu[0] not in FUNCTIONS.values():
            raise ValueError("is not a request for registers (function 3 or 4)")
        quantity = int.from_bytes(pdu[3:5], "big")
        if not 1 <= quantity <= MOST_REGISTERS:
            raise ValueError(f"asks for {quantity} registers; 1 to {MOST_REGISTERS} can be asked for")
        return cls(pdu[0], int.from_bytes(pdu[1:3], "big"), quantity)

    @property
    def reply_size(self) -> int:
        """Bytes of the reply's PDU, where it is no refusal."""
        return 2 + 2 * self.quantity

    def __str__(self) -> str:
        return f"function {self.function}, {self.quantity} registers from {self.first:#06x}"


class Refusal(FrameError):
    """The device answered with an exception."""

    def __init__(self, pdu: bytes) -> None:
        self.code = pdu[1] if len(pdu) > 1 else 0
        what = EXCEPTIONS.get(self.code, "of no known meaning")
        super().__init__("exception", f"the device refuses function {pdu[0] & 0x7F}: exception {self.code}, {what}")


def registers(pdu: bytes) -> tuple[int, bytes]:
    """Function code and register bytes of a reply. Raises FrameError; for an exception, Refusal."""
    if pdu and pdu[0] > REFUSED:
        raise Refusal(pdu)
    if len(pdu) < 2 or pdu[0] not in FUNCTIONS.values():
        raise FrameError("function", f"function {pdu[0] if pdu else '-'} does not read registers (3 and 4 do)")
    if len(pdu) != 2 + pdu[1] or pdu[1] % 2 or not pdu[1]:
        raise FrameError("length", f"{len(pdu) - 2} bytes of registers where {pdu[1]} are announced")
    return pdu[0], pdu[2:]


def answer(request: Request, pdu: bytes) -> bytes:
    """The register bytes of the reply to this very request. Raises FrameError; for an exception, Refusal."""
    function, data = registers(pdu)
    if function != request.function or len(data) != 2 * request.quantity:
        raise FrameError("foreign", f"function {function} with {len(data) // 2} registers answers no {request}")
    return data
