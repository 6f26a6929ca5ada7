"""Replies of Modbus devices, RTU or TCP. Frames have no start: length and CRC alone bear one out."""

from typing import Annotated

import msgspec

from collector.errors import FrameError
from collector.profiles.framing.framer import INCOMPLETE, Framer, ScanningFramer
from collector.profiles.framing.kind import FramingKind, Verify
from collector.profiles.modbus import adu, pdu


class ModbusFraming(FramingKind, frozen=True, kw_only=True, tag="modbus"):
    any_address: Annotated[int, msgspec.Meta(ge=248, le=255)] | None = None
    """An address to which the device answers whatever its own is; of use where it is alone on its line."""

    def framer(self, verify: Verify | None) -> Framer:
        return ModbusFramer()

    def refusal(self, frame: bytes) -> str | None:
        """For a frame that did not come through the framer."""
        try:
            adu.opened(frame)
        except FrameError as error:
            return error.reason
        return None


class ModbusFramer(ScanningFramer):
    def _find(self, data: bytes, at: int) -> tuple[int, int | None]:
        return at, adu.reply_length(data, at)

    def end(self) -> list[bytes]:
        """Any bytes may be the beginning of a frame; only those that look like one are an incomplete frame."""
        begun = adu.begins_reply(self._rest)
        frames = super().end()
        if not begun:
            self.refused.pop(INCOMPLETE, None)
        return frames

    def _accept(self, frame: bytes, accepted: list[bytes]) -> bool:
        if not adu.is_tcp(frame) and not adu.intact(frame):
            # What looks like the refusal of anything else is noise more often than not.
            if frame[1] & ~pdu.REFUSED in pdu.FUNCTIONS.values():
                self.refused["checksum"] += 1
            return False
        accepted.append(frame)
        return True
