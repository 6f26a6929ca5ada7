"""The frames around a PDU: RTU (Modbus over Serial Line V1.02, 2.5.1), TCP (Messaging on TCP/IP V1.0b, 3.1.3)."""

from typing import NamedTuple

from collector.errors import FrameError
from collector.profiles.checksum import ALGORITHMS
from collector.profiles.modbus.pdu import EXCEPTIONS, FUNCTIONS, REFUSED, Request

_crc = ALGORITHMS["crc16-modbus"][0]
_READS = frozenset(FUNCTIONS.values())

HEADER = 6
"""Bytes of the MBAP header ahead of the unit: transaction, protocol (always 0), length of what follows."""
RTU_AROUND = 3
"""Bytes of address and CRC around the PDU."""
LONGEST_PDU = 253


class Frame(NamedTuple):
    address: int
    """Of the device; over TCP the unit."""
    pdu: bytes


def rtu(address: int, pdu: bytes) -> bytes:
    body = bytes([address]) + pdu
    return body + _crc(body).to_bytes(2, "little")


def tcp(transaction: int, unit: int, pdu: bytes) -> bytes:
    return transaction.to_bytes(2, "big") + bytes(2) + (len(pdu) + 1).to_bytes(2, "big") + bytes([unit]) + pdu


def is_tcp(frame: bytes) -> bool:
    """By its shape. No RTU reply passes: 0 in its third byte is neither a length nor an exception's code."""
    return len(frame) > HEADER + 1 and frame[2:4] == b"\0\0" and int.from_bytes(frame[4:6], "big") == len(frame) - 6


def opened(frame: bytes) -> Frame:
    """A whole frame of either kind. Raises FrameError."""
    if len(frame) < RTU_AROUND + 2:
        raise FrameError("too short", f"{len(frame)} bytes are no Modbus frame")
    if intact(frame):
        return Frame(frame[0], frame[1:-2])
    if is_tcp(frame):
        return Frame(frame[HEADER], frame[HEADER + 1 :])
    raise FrameError("checksum", "the CRC does not match, and it is no TCP frame either")


def intact(frame: bytes) -> bool:
    """Whether the CRC of an RTU frame is right."""
    return _crc(frame[:-2]) == int.from_bytes(frame[-2:], "little")


def request(frame: bytes) -> Request:
    """A request as it was sent. Raises ValueError with what is wrong with it."""
    try:
        return Request.decode(opened(frame).pdu)
    except FrameError as error:
        raise ValueError(error.detail) from None


def reply_length(data: bytes, at: int) -> int | None:
    """Bytes of the reply's frame that begins at `at`: 0 where none can, None where the data end too early to tell."""
    head = data[at : at + HEADER]
    if len(head) < 2 or (len(head) == 2 and _answers(head[1])):
        return None
    if head[1] in _READS and head[2] and head[2] % 2 == 0 and head[2] <= LONGEST_PDU - 2:
        return RTU_AROUND + 2 + head[2]
    if head[1] > REFUSED and head[2] in EXCEPTIONS:
        return RTU_AROUND + 2
    if any(head[2:4]):
        return 0
    if len(head) < HEADER:
        return None
    rest = int.from_bytes(head[4:6], "big")
    return HEADER + rest if 3 <= rest <= LONGEST_PDU + 1 else 0


def _answers(function: int) -> bool:
    """Whether a reply may begin so: registers, or the refusal of whatever was asked."""
    return function in _READS or function > REFUSED


def begins_reply(data: bytes) -> bool:
    """Whether these few bytes look like the beginning of a reply, rather than like the end of something else."""
    return len(data) > 1 and (data[1] & ~REFUSED in _READS or (len(data) >= HEADER and not any(data[2:4])))


def find_reply(data: bytes, address: int, asked: Request) -> bytes | None:
    """The PDU of the reply to this request somewhere in `data`; None while there is none.

    What stands around it is passed over: an echo of the request, a glitch of the line driver, a late reply of another
    device. Raises FrameError, reason `checksum`, for a frame of the right device and length whose CRC is wrong.
    """
    wrong = None
    for at in range(len(data) - RTU_AROUND - 1):
        if data[at] != address:
            continue
        size = RTU_AROUND + asked.reply_size
        if data[at + 1] == asked.function + REFUSED:
            size = RTU_AROUND + 2
        elif data[at + 1] != asked.function or data[at + 2] != 2 * asked.quantity:
            continue
        frame = data[at : at + size]
        if len(frame) < size:
            continue
        if intact(frame):
            return frame[1:-2]
        wrong = frame
    if wrong is not None:
        raise FrameError("checksum", f"the CRC of the reply is wrong: {wrong[:16].hex(' ')}")
    return None
