"""Telnet with the COM port option (RFC 854, RFC 2217), as far as a client needs it. No I/O."""

from collector.profiles.profile import SerialSettings

_IAC, _DONT, _DO, _WONT, _WILL, _SB, _SE = 255, 254, 253, 252, 251, 250, 240
BINARY, SUPPRESS_GO_AHEAD, COM_PORT = 0, 3, 44

_SET_BAUDRATE, _SET_DATASIZE, _SET_PARITY, _SET_STOPSIZE, _SET_CONTROL = 1, 2, 3, 4, 5
_FROM_SERVER = 100
"""Added to a command in the server's answer to it."""
_PARITY = {"none": 1, "odd": 2, "even": 3}
_NO_FLOW_CONTROL, _DTR_ON, _DTR_OFF, _RTS_ON, _RTS_OFF = 1, 8, 9, 11, 12


class Rfc2217Client:
    """Takes the server's bytes apart and says what to send back.

    `agreed` turns True when the server has confirmed the baud rate, `refused` when it will have no COM port option.
    """

    def __init__(self, settings: SerialSettings) -> None:
        self._settings = settings
        self._rest = b""
        self._said: set[bytes] = set()
        self.agreed = False
        self.refused = False

    def greeting(self) -> bytes:
        """What the client begins with."""
        return b"".join(
            self._say(command, option)
            for command, option in (
                *((_WILL, BINARY), (_DO, BINARY), (_WILL, SUPPRESS_GO_AHEAD), (_DO, SUPPRESS_GO_AHEAD)),
                (_WILL, COM_PORT),
            )
        )

    def encode(self, data: bytes) -> bytes:
        return data.replace(b"\xff", b"\xff\xff")

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        """What came over the line, and what to answer."""
        data = self._rest + data
        payload, answers, at = bytearray(), bytearray(), 0
        while at < len(data):
            escape = data.find(_IAC, at)
            if escape < 0:
                payload += data[at:]
                at = len(data)
                break
            payload += data[at:escape]
            at = escape
            size = _command_size(data, escape)
            if size is None:
                break
            command = data[escape : escape + size]
            at += size
            if command[1] == _IAC:
                payload.append(_IAC)
            elif command[1] == _SB:
                self._told(command[2:-2].replace(b"\xff\xff", b"\xff"))
            elif size == 3:
                answers += self._negotiate(command[1], command[2])
        self._rest = data[at:]
        return bytes(payload), bytes(answers)

    def _negotiate(self, command: int, option: int) -> bytes:
        if option == COM_PORT and command == _DO:
            return self._say(_WILL, option) + self._set_up()
        if option == COM_PORT and command == _DONT:
            self.refused = True
            return b""
        wanted = option in (BINARY, SUPPRESS_GO_AHEAD)
        if command == _DO:
            return self._say(_WILL if wanted else _WONT, option)
        if command == _WILL:
            return self._say(_DO if wanted else _DONT, option)
        return b""

    def _say(self, command: int, option: int) -> bytes:
        """Once only: to agree again to what has been agreed to would never end (RFC 854)."""
        words = bytes([_IAC, command, option])
        if words in self._said:
            return b""
        self._said.add(words)
        return words

    def _set_up(self) -> bytes:
        line = self._settings
        controls = [_NO_FLOW_CONTROL]
        if line.dtr is not None:
            controls.append(_DTR_ON if line.dtr else _DTR_OFF)
        if line.rts is not None:
            controls.append(_RTS_ON if line.rts else _RTS_OFF)
        commands = [
            (_SET_BAUDRATE, line.baudrate.to_bytes(4, "big")),
            (_SET_DATASIZE, bytes([line.bytesize])),
            (_SET_PARITY, bytes([_PARITY[line.parity]])),
            (_SET_STOPSIZE, bytes([line.stopbits])),
            *((_SET_CONTROL, bytes([control])) for control in controls),
        ]
        return b"".join(
            bytes([_IAC, _SB, COM_PORT, command]) + self.encode(value) + bytes([_IAC, _SE])
            for command, value in commands
        )

    def _told(self, message: bytes) -> None:
        if message[:2] == bytes([COM_PORT, _SET_BAUDRATE + _FROM_SERVER]):
            self.agreed = True


def _command_size(data: bytes, at: int) -> int | None:
    """Bytes of the command that begins at an IAC; None while it is not complete."""
    if at + 2 > len(data):
        return None
    if data[at + 1] in (_DO, _DONT, _WILL, _WONT):
        return 3 if at + 3 <= len(data) else None
    if data[at + 1] != _SB:
        return 2
    end = at + 2
    while (end := data.find(_IAC, end)) >= 0 and end + 1 < len(data):
        if data[end + 1] == _SE:
            return end + 2 - at
        end += 2
    return None
