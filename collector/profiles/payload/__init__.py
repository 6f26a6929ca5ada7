"""What a frame says: one file for each kind of payload."""

from collector.profiles.payload.binary import BinaryPayload
from collector.profiles.payload.json import JsonPayload

Payload = BinaryPayload | JsonPayload

__all__ = ["BinaryPayload", "JsonPayload", "Payload"]
