"""How the far end's certificate is checked and our own shown, for brokers and HTTPS servers alike."""

import os
import ssl
import stat
from pathlib import Path
from typing import Final, Literal

from collector.clock import SystemClock
from collector.errors import ConfigurationError

FarEnd = Literal["broker", "server"]
_SCHEME: Final = {"broker": "mqtt", "server": "http"}

NOT_YET, EXPIRED = 9, 10
"""A wrong clock makes a good certificate look like this."""
_UNKNOWN_AUTHORITY: Final = frozenset({19, 20})

# X509_V_ERR_* of OpenSSL, by what the operator has to look at.
_CERTIFICATE: Final = {
    NOT_YET: "certificate is not valid yet: is this machine's clock right?",
    EXPIRED: "certificate has expired, or this machine's clock is wrong",
    18: "certificate is signed by itself: name it in ca_file to trust it",
    23: "certificate has been revoked",
    62: "certificate is made out to another host name",
    64: "certificate is made out to another IP address",
}

_WANTED: Final = "wants a certificate of ours: set cert_file and key_file"
_NOT_TAKEN: Final = "does not accept our certificate, cert_file"
# The alerts by which a far end says what it thinks of our certificate, under OpenSSL's names (RFC 8446 §6.2).
_OUR_CERTIFICATE: Final = {
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": _WANTED,
    "SSLV3_ALERT_HANDSHAKE_FAILURE": _WANTED,
    "TLSV1_ALERT_UNKNOWN_CA": f"{_NOT_TAKEN}: it does not know the authority that signed it",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": f"{_NOT_TAKEN}: it has expired, or the clock there is wrong",
    "SSLV3_ALERT_CERTIFICATE_REVOKED": f"{_NOT_TAKEN}: it has been revoked",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": _NOT_TAKEN,
    "SSLV3_ALERT_BAD_CERTIFICATE": _NOT_TAKEN,
    "TLSV1_ALERT_DECRYPT_ERROR": _NOT_TAKEN,
    "TLSV1_ALERT_ACCESS_DENIED": f"{_NOT_TAKEN}: its owner may not connect",
}
_PLAIN: Final = frozenset({"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE"})


def tls_context(
    ca_file: Path | None = None, cert_file: Path | None = None, key_file: Path | None = None
) -> ssl.SSLContext:
    """Verifies the far end always, against `ca_file` or else the system's authorities; TLS 1.2 at least.

    ConfigurationError names each file that cannot be used. `key_file` may be left out when `cert_file`
    holds the key as well.
    """
    context = ssl.create_default_context() if ca_file is None else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    mistakes = _unusable(ca_file=ca_file)
    if ca_file is not None and not mistakes:
        try:
            context.load_verify_locations(ca_file)
        except ssl.SSLError:
            mistakes.append(f"ca_file {ca_file}: holds no certificate in PEM form")
    if cert_file is not None:
        mistakes += _unusable(cert_file=cert_file, key_file=key_file) or _load_own(context, cert_file, key_file)
    elif key_file is not None:
        mistakes.append(f"key_file {key_file}: needs a cert_file beside it")
    if mistakes:
        raise ConfigurationError(mistakes)
    return context


def _unusable(**files: Path | None) -> list[str]:
    """Why these need not be given to OpenSSL, which does not say on which of several it failed."""
    mistakes = []
    for key, file in files.items():
        if file is not None:
            try:
                # Without O_NONBLOCK a FIFO in the file's place would hold us for ever, as it would OpenSSL.
                descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
            except OSError as error:
                mistakes.append(f"{key} {file}: {error.strerror}")
                continue
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                mistakes.append(f"{key} {file}: is no regular file")
            os.close(descriptor)
    return mistakes


def _load_own(context: ssl.SSLContext, cert_file: Path, key_file: Path | None) -> list[str]:
    holder = f"key_file {key_file}" if key_file is not None else f"cert_file {cert_file}"
    try:
        # An encrypted key must fail here, not ask on the terminal.
        context.load_cert_chain(cert_file, key_file, password=lambda: b"")
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            return [f"{holder}: is not the key of cert_file {cert_file}"]
        return [f"{holder}: with cert_file {cert_file} it is no certificate and unencrypted key in PEM form"]
    return []


def ssl_error(error: BaseException | None) -> ssl.SSLError | None:
    """What OpenSSL said, wherever aiohttp or we ourselves have wrapped it."""
    while error is not None:
        # aiohttp's own may be SSLErrors too, with nothing of OpenSSL's in them.
        inner = getattr(error, "certificate_error", None) or getattr(error, "os_error", None)
        if inner is None and isinstance(error, ssl.SSLError):
            return error
        error = inner or error.__cause__
    return None


def refuses_us(error: ssl.SSLError) -> bool:
    """Whether the far end has said no, which our trying again does not change."""
    return "ALERT" in (error.reason or "")


def speaks_no_tls(error: ssl.SSLError) -> bool:
    return error.reason in _PLAIN


def describe(error: ssl.SSLError, far_end: FarEnd) -> str:
    """Why there is no TLS with the far end, in words for a person."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"TLS: {_certificate_fault(error, far_end)}"
    if error.reason in _OUR_CERTIFICATE:
        return f"TLS: the {far_end} {_OUR_CERTIFICATE[error.reason]} ({error.reason})"
    if refuses_us(error):
        return f"TLS: the {far_end} refuses us ({error.reason})"
    if speaks_no_tls(error):
        scheme = _SCHEME[far_end]
        return f"TLS: the {far_end} does not speak TLS on this port: use {scheme}://, or the port of {scheme}s://"
    return f"TLS: {error.reason or error.strerror or error}"


def _certificate_fault(error: ssl.SSLCertVerificationError, far_end: FarEnd) -> str:
    code = error.verify_code
    if code in _UNKNOWN_AUTHORITY:
        return f"unknown authority: set ca_file to the certificate of the one that signed the {far_end}'s"
    if code not in _CERTIFICATE:
        return error.verify_message
    doubt = code in (NOT_YET, EXPIRED) and not SystemClock().synchronised()
    return f"the {far_end}'s {_CERTIFICATE[code]}{' (the clock is not synchronised)' if doubt else ''}"
