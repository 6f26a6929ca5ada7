"""What a frame says: one file for each kind of payload."""

from collector.profiles.payload.binary import BinaryPayload
from collector.profiles.payload.csv import CsvPayload
from collector.profiles.payload.json import JsonPayload
from collector.profiles.payload.keyvalue import KeyValuePayload
from collector.profiles.payload.obis import ObisPayload
from collector.profiles.payload.registers import RegistersPayload
from collector.profiles.payload.sentences import SentencesPayload
from collector.profiles.payload.sml import SmlPayload
from collector.profiles.payload.text import TextPayload
from collector.profiles.payload.tlv import TlvPayload

Payload = (
    BinaryPayload
    | JsonPayload
    | CsvPayload
    | TextPayload
    | KeyValuePayload
    | ObisPayload
    | RegistersPayload
    | SentencesPayload
    | SmlPayload
    | TlvPayload
)

__all__ = [
    "BinaryPayload",
    "CsvPayload",
    "JsonPayload",
    "KeyValuePayload",
    "ObisPayload",
    "Payload",
    "RegistersPayload",
    "SentencesPayload",
    "SmlPayload",
    "TextPayload",
    "TlvPayload",
]
