"""TLS files that are none: one line each, and nothing waits."""

import os
from pathlib import Path
from ssl import SSLCertVerificationError

import pytest

from collector.clock import SystemClock
from collector.errors import ConfigurationError
from collector.tls import FarEnd, describe, tls_context


@pytest.mark.timeout(10)
@pytest.mark.parametrize("key", ["ca_file", "cert_file", "key_file"])
def test_a_fifo_in_a_files_place(tmp_path: Path, key: str) -> None:
    os.mkfifo(fifo := tmp_path / "fifo")
    (plain := tmp_path / "plain").touch()
    files = {key: fifo} if key == "ca_file" else {"cert_file": plain, key: fifo}
    with pytest.raises(ConfigurationError) as caught:
        tls_context(**files)
    assert caught.value.mistakes == [f"{key} {fifo}: is no regular file"]


def test_all_files_that_are_not_there_are_named_at_once(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    with pytest.raises(ConfigurationError) as caught:
        tls_context(gone, gone, gone)
    assert caught.value.mistakes == [
        f"{key} {gone}: No such file or directory" for key in ("ca_file", "cert_file", "key_file")
    ]


@pytest.mark.parametrize("far_end", ["broker", "server"])
@pytest.mark.parametrize(
    ("code", "synchronised", "said"),
    [
        (9, False, "certificate is not valid yet: is this machine's clock right? (the clock is not synchronised)"),
        (9, True, "certificate is not valid yet: is this machine's clock right?"),
        (10, False, "has expired, or this machine's clock is wrong (the clock is not synchronised)"),
        (62, False, "certificate is made out to another host name"),
        (20, False, "unknown authority: set ca_file to the certificate of the one that signed the {far_end}'s"),
    ],
)
def test_a_certificate_that_is_not_accepted(
    monkeypatch: pytest.MonkeyPatch, far_end: FarEnd, code: int, synchronised: bool, said: str
) -> None:
    monkeypatch.setattr(SystemClock, "synchronised", lambda clock: synchronised)
    error = SSLCertVerificationError()
    error.verify_code = code
    text = describe(error, far_end)
    assert text.startswith("TLS: ") and text.endswith(said.format(far_end=far_end))
