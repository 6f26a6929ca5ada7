"""A certificate authority of a test's own, by the openssl command."""

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path


class Authority:
    """Signs server and client certificates; all files lie in `directory`."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir()
        self._directory = directory
        self.certificate = directory / "ca.pem"
        self._key = directory / "ca.key"
        self._configuration = directory / "ca.conf"
        self._configuration.write_text(
            f"""
            [ca]
            default_ca = authority
            [authority]
            database = {directory}/issued
            new_certs_dir = {directory}
            rand_serial = yes
            certificate = {self.certificate}
            private_key = {self._key}
            default_md = sha256
            policy = any
            unique_subject = no
            [any]
            commonName = supplied
            """
        )
        (directory / "issued").touch()
        self._openssl(
            *("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=test authority"),
            # Without it Python 3.13 calls the authority none.
            *("-addext", "keyUsage=critical,keyCertSign,cRLSign"),
            *("-keyout", str(self._key), "-out", str(self.certificate)),
        )

    def issue(self, name: str, *, days: int = 2, start: int = -2) -> tuple[Path, Path]:
        """Certificate and key for the host `name`, good from `start` to `days` from today; made once."""
        stem = self._directory / f"{name}{start}{days}"
        certificate, key, request = (stem.with_suffix(suffix) for suffix in (".pem", ".key", ".csr"))
        if certificate.exists():
            return certificate, key
        extensions = self._directory / "extensions"
        extensions.write_text(f"subjectAltName=DNS:{name}\n")
        self._openssl(
            *("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}"),
            *("-keyout", str(key), "-out", str(request)),
        )
        # `openssl x509 -days` takes no certificate that has ended since OpenSSL 3.4; `openssl ca` takes any dates.
        self._openssl(
            *("ca", "-batch", "-notext", "-config", str(self._configuration), "-in", str(request)),
            *("-startdate", _date(start), "-enddate", _date(days), "-extfile", str(extensions)),
            *("-out", str(certificate)),
        )
        return certificate, key

    @staticmethod
    def _openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], check=True, capture_output=True)


def _date(days: int) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).strftime("%Y%m%d%H%M%SZ")
