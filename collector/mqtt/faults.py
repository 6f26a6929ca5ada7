"""What ended or prevented a connection, in words for a person."""

import errno
import socket
import ssl
from typing import Final

from collector.tls import certificate_fault

_WANTED: Final = "the broker wants a certificate of ours: set cert_file and key_file"
_NOT_TAKEN: Final = "the broker does not accept our certificate, cert_file"

# The alerts by which a broker says what it thinks of our certificate, under OpenSSL's names (RFC 8446 §6.2).
_OUR_CERTIFICATE: Final = {
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": _WANTED,
    "SSLV3_ALERT_HANDSHAKE_FAILURE": _WANTED,
    "TLSV1_ALERT_UNKNOWN_CA": f"{_NOT_TAKEN}: it does not know the authority that signed it",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": f"{_NOT_TAKEN}: it has expired, or the broker's clock is wrong",
    "SSLV3_ALERT_CERTIFICATE_REVOKED": f"{_NOT_TAKEN}: it has been revoked",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": _NOT_TAKEN,
    "SSLV3_ALERT_BAD_CERTIFICATE": _NOT_TAKEN,
    "TLSV1_ALERT_DECRYPT_ERROR": _NOT_TAKEN,
    "TLSV1_ALERT_ACCESS_DENIED": f"{_NOT_TAKEN}: its owner may not connect",
}


def describe(error: BaseException | None) -> str:
    """What ended or prevented a connection, in words for a person; None is a plain end of stream."""
    match error:
        case None:
            return "the broker closed the connection"
        case UnicodeError():
            return "no such host (not a name DNS can hold)"
        case socket.gaierror():
            return f"no such host ({error.strerror})"
        case ssl.SSLCertVerificationError():
            return f"TLS: {certificate_fault(error, 'the broker')}"
        case ssl.SSLError(reason=str(said)) if said in _OUR_CERTIFICATE:
            return f"TLS: {_OUR_CERTIFICATE[said]} ({said})"
        case ssl.SSLError(reason="WRONG_VERSION_NUMBER" | "RECORD_LAYER_FAILURE"):
            return "TLS: the broker does not speak TLS on this port: use mqtt://, or the port of mqtts://"
        case ssl.SSLError():
            return f"TLS: {error.reason or error.strerror or error}"
        case TimeoutError(errno=None):
            return "no answer in time"
        case ConnectionRefusedError():
            return "connection refused: no broker listens there"
        case ConnectionResetError() | BrokenPipeError():
            return "connection reset by the broker"
        case OSError(errno=errno.ETIMEDOUT):
            return "the network lost the connection (no acknowledgement of what was sent)"
        case OSError():
            return error.strerror or str(error)
    return f"{type(error).__name__}: {error}"
