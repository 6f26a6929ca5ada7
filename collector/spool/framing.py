"""How a journal file is made up: a line with the format, then frames: length, CRC-32, payload."""

import struct
import zlib

NAME = b"edge-collector tail"

FORMAT = 1

HEADER = b"%s %d\n" % (NAME, FORMAT)

FRAME = struct.Struct("<II")

ROTATE_BYTES = 2 * 1024 * 1024
"""A file this long is due to be replaced by the other one."""

LIMIT_BYTES = 16 * ROTATE_BYTES
"""No file grows longer, so none is read further."""


def framed(payload: bytes) -> bytes:
    return FRAME.pack(len(payload), zlib.crc32(payload)) + payload
