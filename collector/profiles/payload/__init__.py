"""What a frame says: one file for each kind of payload."""

from collector.profiles.payload.binary import BinaryPayload
from collector.profiles.payload.csv import CsvPayload
from collector.profiles.payload.json import JsonPayload
from collector.profiles.payload.registers import RegistersPayload
from collector.profiles.payload.text import TextPayload

Payload = BinaryPayload | JsonPayload | CsvPayload | TextPayload | RegistersPayload

__all__ = ["BinaryPayload", "CsvPayload", "JsonPayload", "Payload", "RegistersPayload", "TextPayload"]
