"""How a byte stream is cut into frames: one file for each kind of framing."""

from collector.profiles.framing.block import BlockFraming
from collector.profiles.framing.delimiter import DelimiterFraming
from collector.profiles.framing.escape import EscapeFraming
from collector.profiles.framing.fixed import FixedFraming
from collector.profiles.framing.framer import INCOMPLETE, Framer
from collector.profiles.framing.length_field import LengthFieldFraming
from collector.profiles.framing.message import MessageFraming
from collector.profiles.framing.modbus import ModbusFraming
from collector.profiles.framing.telegram import TelegramFraming

Framing = (
    FixedFraming
    | LengthFieldFraming
    | DelimiterFraming
    | TelegramFraming
    | EscapeFraming
    | BlockFraming
    | ModbusFraming
    | MessageFraming
)

__all__ = ["INCOMPLETE", "Framer", "Framing"]
