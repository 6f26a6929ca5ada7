"""How the far end's certificate is checked and our own shown, for brokers and HTTPS servers alike."""

import ssl
from pathlib import Path
from typing import Final

from collector.errors import ConfigurationError

# X509_V_ERR_* of OpenSSL, by what the operator has to look at.
_CERTIFICATE: Final = {
    9: "certificate is not valid yet: is this machine's clock right?",
    10: "certificate has expired, or this machine's clock is wrong",
    18: "certificate is signed by itself: name it in ca_file to trust it",
    23: "certificate has been revoked",
    62: "certificate is made out to another host name",
    64: "certificate is made out to another IP address",
}
_UNKNOWN_AUTHORITY: Final = (19, 20)
DEPENDS_ON_CLOCK: Final = (9, 10)
"""A wrong clock makes a good certificate look like this."""


def tls_context(
    ca_file: Path | None = None, cert_file: Path | None = None, key_file: Path | None = None
) -> ssl.SSLContext:
    """Verifies the far end always, against `ca_file` or else the system's authorities; TLS 1.2 at least.

    ConfigurationError names each file that cannot be used. `key_file` may be left out when `cert_file`
    holds the key as well.
    """
    context = ssl.create_default_context() if ca_file is None else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    mistakes = []
    if ca_file is not None:
        try:
            context.load_verify_locations(ca_file)
        except ssl.SSLError:
            mistakes.append(f"ca_file {ca_file}: holds no certificate in PEM form")
        except OSError as error:
            mistakes.append(f"ca_file {ca_file}: {error.strerror}")
    if cert_file is not None:
        mistakes += _load_own(context, cert_file, key_file)
    elif key_file is not None:
        mistakes.append(f"key_file {key_file}: needs a cert_file beside it")
    if mistakes:
        raise ConfigurationError(mistakes)
    return context


def _load_own(context: ssl.SSLContext, cert_file: Path, key_file: Path | None) -> list[str]:
    """OpenSSL does not say which of the two files it failed on, so each is opened first."""
    mistakes = []
    for key, file in (("cert_file", cert_file), ("key_file", key_file)):
        if file is not None:
            try:
                file.open("rb").close()
            except OSError as error:
                mistakes.append(f"{key} {file}: {error.strerror}")
    if mistakes:
        return mistakes
    holder = f"key_file {key_file}" if key_file is not None else f"cert_file {cert_file}"
    try:
        # An encrypted key must fail here, not ask on the terminal.
        context.load_cert_chain(cert_file, key_file, password=lambda: b"")
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            return [f"{holder}: is not the key of cert_file {cert_file}"]
        return [f"{holder}: with cert_file {cert_file} it is no certificate and unencrypted key in PEM form"]
    return []


def certificate_fault(error: ssl.SSLCertVerificationError, whose: str) -> str:
    """Why a certificate was not accepted; `whose` is "the broker" or the like."""
    if error.verify_code in _UNKNOWN_AUTHORITY:
        return f"unknown authority: ca_file does not hold the one that signed {whose}'s certificate"
    if error.verify_code in _CERTIFICATE:
        return f"{whose}'s {_CERTIFICATE[error.verify_code]}"
    return error.verify_message
