import shutil
import ssl
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from collector.clock import SystemClock
from collector.doctor import certificate
from collector.doctor.finding import Subject
from tests.mqtt.certificates import Authority

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl to make a certificate")
HERE = Subject("our certificate", "sink cloud")


@pytest.mark.parametrize("days", [2, 400, 20_000])
def test_the_day_is_what_openssl_wrote(tmp_path: Path, days: int) -> None:
    """From 2050 on certificates write their years with four digits."""
    file, _ = Authority(tmp_path / "ca").issue("localhost", days=days)
    until = certificate.not_after(ssl.PEM_cert_to_DER_cert(file.read_text()))
    assert abs(until - (datetime.now(UTC) + timedelta(days=days))) < timedelta(minutes=5)


@pytest.mark.parametrize(
    ("days", "verdict", "text"), [(-1, "fail", "expired on"), (10, "warn", "days more"), (90, "ok", "days more")]
)
def test_days_left(tmp_path: Path, days: int, verdict: str, text: str) -> None:
    file, _ = Authority(tmp_path / "ca").issue("localhost", days=90)
    der = ssl.PEM_cert_to_DER_cert(file.read_text())
    asked = time.time_ns() + (90 - days) * 86_400 * 10**9
    found = certificate.remaining(HERE, "it", der, asked)
    assert (found.verdict, text in found.text) == (verdict, True)


def test_our_own_file(tmp_path: Path) -> None:
    file, key = Authority(tmp_path / "ca").issue("localhost", days=90)
    file.write_text(f"a comment\n{key.read_text()}{file.read_text()}")
    assert [found.verdict for found in certificate.own(HERE, str(file), tmp_path, SystemClock())] == ["ok"]
    assert [found.verdict for found in certificate.own(HERE, str(key), tmp_path, SystemClock())] == ["fail"]


@pytest.mark.parametrize("der", [b"", b"\x30", b"\x30\x82\xff\xff", b"not a certificate", b"\x30\x02\x30\x00"])
def test_what_is_no_certificate(der: bytes) -> None:
    with pytest.raises(ValueError):
        certificate.not_after(der)
