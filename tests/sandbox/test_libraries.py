"""What glibc would load only when it is asked for a name."""

from pathlib import Path

import pytest

from collector.sandbox.libraries import host_services


@pytest.mark.parametrize(
    ("line", "modules"),
    [
        ("hosts: files dns", []),
        ("hosts:          files mdns4_minimal [NOTFOUND=return] dns", ["mdns4_minimal"]),
        (
            "hosts: mymachines resolve [!UNAVAIL=return] files myhostname dns # mdns4",
            ["mymachines", "resolve", "myhostname"],
        ),
        ("passwd: files sss", []),
        ("", []),
    ],
)
def test_modules_that_look_up_host_names(tmp_path: Path, line: str, modules: list[str]) -> None:
    file = tmp_path / "nsswitch.conf"
    file.write_text(f"# /etc/nsswitch.conf\ngroup: files\n{line}\n")
    assert list(host_services(file)) == modules
    assert list(host_services(tmp_path / "gone")) == []
