"""How a byte stream is cut into frames: one file for each kind of framing."""

from collector.profiles.framing.delimiter import DelimiterFraming
from collector.profiles.framing.fixed import FixedFraming
from collector.profiles.framing.framer import INCOMPLETE, Framer
from collector.profiles.framing.length_field import LengthFieldFraming
from collector.profiles.framing.message import MessageFraming
from collector.profiles.framing.modbus import ModbusFraming

Framing = FixedFraming | LengthFieldFraming | DelimiterFraming | MessageFraming | ModbusFraming

__all__ = ["INCOMPLETE", "Framer", "Framing"]
